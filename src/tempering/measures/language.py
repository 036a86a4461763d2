"""Which language a text is in, by its function words, and the word lists of those that can be measured.

Knows English and Portuguese well enough to measure them; Spanish, Galician, Catalan, French, Italian, German, Dutch,
languages written without spaces, and program code well enough to say so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from tempering.measures.words import UNSPACED, words

MEASURED = ("English", "Portuguese")
"""Languages with function words and connectives."""

THRESHOLD = 0.15
"""The least share of a language's function words in a text of it; running text has .35 to .55."""

CODE = 0.04
"""The least share of ``_MARKS`` among the characters of program code; running text has less than .01."""

_MARKS = frozenset("{}[]()=<>\\_#;|&*/")
_SCRIPTS = {
    "Japanese": re.compile("[\u3040-\u30ff]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
    "Lao": re.compile("[\u0e80-\u0eff]"),
    "Burmese": re.compile("[\u1000-\u109f]"),
    "Khmer": re.compile("[\u1780-\u17ff]"),
    "Chinese": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"),
}
WORDLESS = tuple(_SCRIPTS)
"""Languages in whose script words are not told apart, so that no measure of words is defined."""

DIFFERENT = 3
"""The least number of different function words that a language is known by."""

_FUNCTION_WORDS = {
    "English": """
        a about after again all also am an and any are as at be because been before being but by can could did do
        does down for from had has have he her here hers him his how i if in into is it its just me more most my no
        not now of off on one only or other our out over she should so some such than that the their them then there
        these they this those to too under until up upon us very was we were what when where which while who whom
        whose why will with would you your
    """,
    "Portuguese": """
        a ao aos as até com como da das de dela dele deles depois do dos e ela elas ele eles em entre era eram essa
        esse esta este está eu foi foram há isso isto já lhe mais mas me mesmo meu minha muito na nas nem no nos
        nossa nosso num numa não nós o onde os ou para pela pelas pelo pelos por porque quando que quem se sem ser
        seu seus sua suas só também tem tinha um uma você vocês à às
    """,
    "Spanish": """
        al como con cuando de del desde donde el ella ellos en entre era es esta este fue ha hasta la las le les lo
        los me muy más ni no nos o para pero por porque que quien se sin sobre su sus también un una uno y ya yo
    """,
    "French": """
        au aux avec ce ces cette comme d'un d'une dans de des du elle elles en est et il ils je la le les leur lui
        mais me même ne nous on ou où par pas plus pour qu'il que qui sa sans se ses son sur un une vous y était
    """,
    "German": """
        aber als am an auch auf aus bei da das dass daß dem den der des die doch du ein eine einem einen einer er es
        für hat hatte ich ihm ihn ihr im in ist ja man mir mit nach nicht noch nun nur oder sein sich sie so um und
        von vor war waren was wenn wie wir wird zu zum zur über
    """,
    "Galician": """
        ao aos as coa con da das de desde do dos e el ela en era esta este eu foi había lle máis me moi na nas no
        non nos nun nunha o onde os para pero polo por porque que se sen seu seus súa tamén un unha unhas xa á é
    """,
    "Catalan": """
        al als amb això aquell aquesta aquest com d'un de del dels el ella els em en era es fins ha han hi i jo l'any
        la les li més molt no o on per però perquè que quan se sense seu seva si són també un una va van vaig és
    """,
    "Dutch": """
        aan al als bij daar dan dat de deze die dit door een en er had hebben heeft het hij hoe hun ik in is je kon
        maar me met mijn naar niet nog nu of om ook op over te toen tot uit van voor was wat we werd wie zei zich ze
        zij zijn zo zou
    """,
    "Italian": """
        al alla anche che chi ci come con cui da dal dalla dei del della delle di e era gli ha i il in io la le lei
        lo loro lui ma mi ne nel nella non o per perché più quando questa questo se si sono su sua sue sul un una
        uno è
    """,
}
FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    name: frozenset(listed.split()) for name, listed in _FUNCTION_WORDS.items()
}

_OF_WORDLESS = re.compile(f"[{UNSPACED}]")
_CONNECTIVES = {
    "English": """
        after, afterwards, also, although, as a result, as soon as, at first, at last, at the same time, because,
        before, besides, but, consequently, even though, eventually, finally, first, for example, furthermore,
        hence, however, if, in addition, in fact, in the end, instead, later, meanwhile, moreover, nevertheless,
        next, nonetheless, on the other hand, once, otherwise, since, so, so that, soon, still, suddenly,
        that is why, then, therefore, though, thus, unless, until, when, whenever, whereas, while, yet
    """,
    "Portuguese": """
        afinal, ainda assim, além disso, antes, apesar de, assim, assim que, até que, contudo, de repente, depois,
        desde que, em seguida, embora, enfim, enquanto, entretanto, então, finalmente, logo, logo que, mais tarde,
        mas, no entanto, no fim, para que, pois, por exemplo, por fim, por isso, porque, portanto, porém, primeiro,
        quando, se, sempre que, todavia
    """,
}
CONNECTIVES: Mapping[str, frozenset[str]] = {
    name: frozenset(" ".join(item.split()) for item in listed.split(",")) for name, listed in _CONNECTIVES.items()
}


def language_of(texts: Iterable[str]) -> str | None:
    """Return the language of texts taken together; None where no known one reaches the threshold.

    Args:
        texts: for example all texts of a prompt, so that a few garbled ones do not decide.

    Example:
        >>> language_of(["The fox ran to the old house and it was not there."])
        'English'
        >>> language_of(["A raposa correu para a casa, mas não havia ninguém."])
        'Portuguese'
        >>> language_of(["colourless green ideas sleep furiously"]) is None
        True
        >>> language_of(["if (a and b) or not (c): return [i for i in a]"])
        'program code'
    """
    together = "\n".join(texts)
    counts = Counter(words(together))
    signs = [sign for sign in together if not sign.isspace()]
    if len(_OF_WORDLESS.findall(together)) > sum(map(str.isalpha, signs)) / 2:
        # Japanese has Chinese signs too, and is told by its own: it stands first.
        return next(name for name, script in _SCRIPTS.items() if script.search(together))
    if signs and sum(sign in _MARKS for sign in signs) >= CODE * len(signs):
        return "program code"
    total = sum(counts.values())
    shares = {
        language: sum(counts[word] for word in known) / total if total else 0.0
        for language, known in FUNCTION_WORDS.items()
    }
    best = max(shares, key=lambda language: shares[language])
    # One short word says little: "a" and "o" and "i" are words of many languages.
    different = sum(word in FUNCTION_WORDS[best] for word in counts)
    return best if shares[best] >= THRESHOLD and different >= DIFFERENT else None
