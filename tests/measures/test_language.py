"""Languages are recognised, and the lists are words."""

from __future__ import annotations

import pytest

from tempering.measures.language import CONNECTIVES, FUNCTION_WORDS, MEASURED, WORDLESS, language_of
from tempering.measures.words import words

TEXTS = {
    "English": "The king had everything that he wanted, but he was not happy, because there was no one to talk to.",
    "Portuguese": "O rei tinha tudo o que queria, mas não era feliz, porque não havia ninguém com quem falar.",
    "Spanish": "El rey tenía todo lo que quería, pero no era feliz porque no había nadie con quien hablar.",
    "French": "Le roi avait tout ce qu'il voulait, mais il n'était pas heureux, car il n'y avait personne pour lui.",
    "German": "Der König hatte alles, was er wollte, aber er war nicht glücklich, denn es war niemand da.",
    "Dutch": "De koning had alles wat hij wilde, maar hij was niet gelukkig, want er was niemand om mee te praten.",
    "Galician": "O rei tiña todo o que quería, pero non era feliz nin unha noite, porque non había ninguén.",
    "Catalan": "El rei tenia tot el que volia, però no era feliç, perquè no hi havia ningú amb qui parlar als vespres.",
    "Italian": "Il re aveva tutto quello che voleva, ma non era felice perché non c'era nessuno con cui parlare.",
}


@pytest.mark.parametrize(("language", "text"), TEXTS.items())
def test_languages_are_told_apart(language: str, text: str) -> None:
    assert language_of([text]) == language
    assert language_of([text, "xq zzt", "###"]) == language


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("Chinese", "国王拥有他想要的一切,但是他不快乐。"),
        ("Japanese", "王様は欲しいものを全て持っていた。"),
        ("Thai", "กษัตริย์มีทุกสิ่งที่เขาต้องการ"),
        ("program code", "def f(x):\n    for i in x:\n        if not i and x[i] in (1, 2):\n            return a[i]\n"),
    ],
)
def test_texts_without_words_and_code_are_said(language: str, text: str) -> None:
    assert language_of([text]) == language
    assert bool(words(text)) == (language not in WORDLESS)


@pytest.mark.parametrize("text", ["", "...", "qwe rty uio", "Król miał wszystko, czego chciał."])
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    assert language_of([text]) is None


def test_lists_are_words_as_texts_have_them() -> None:
    assert set(CONNECTIVES) == set(MEASURED)
    for listed in (*FUNCTION_WORDS.values(), *CONNECTIVES.values()):
        assert all(words(item) == item.split() and item for item in listed)
