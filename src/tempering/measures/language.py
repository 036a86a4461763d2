"""Which language a text is in, by its function words, and the word lists of those that can be measured.

Knows English and Portuguese well enough to measure them; Spanish, French, German and Italian well enough to say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tempering.measures.words import words

MEASURED = ("English", "Portuguese")
"""Languages with function words and connectives."""

THRESHOLD = 0.15
"""The least share of a language's function words in a text of it; running text has .35 to .55."""

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
    "Italian": """
        al alla anche che chi ci come con cui da dal dalla dei del della delle di e era gli ha i il in io la le lei
        lo loro lui ma mi ne nel nella non o per perché più quando questa questo se si sono su sua sue sul un una
        uno è
    """,
}
FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    name: frozenset(listed.split()) for name, listed in _FUNCTION_WORDS.items()
}

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
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    total = sum(counts.values())
    shares = {
        language: sum(counts[word] for word in known) / total if total else 0.0
        for language, known in FUNCTION_WORDS.items()
    }
    best = max(shares, key=lambda language: shares[language])
    # One short word says little: "a" and "o" and "i" are words of many languages.
    different = sum(word in FUNCTION_WORDS[best] for word in counts)
    return best if shares[best] >= THRESHOLD and different >= DIFFERENT else None
