"""Languages are recognised, and the lists are words."""

from __future__ import annotations

import pytest

from tempering.measures.language import CONNECTIVES, FUNCTION_WORDS, MEASURED, language_of
from tempering.measures.words import words

TEXTS = {
    "English": "The king had everything that he wanted, but he was not happy, because there was no one to talk to.",
    "Portuguese": "O rei tinha tudo o que queria, mas não era feliz, porque não havia ninguém com quem falar.",
    "Spanish": "El rey tenía todo lo que quería, pero no era feliz porque no había nadie con quien hablar.",
    "French": "Le roi avait tout ce qu'il voulait, mais il n'était pas heureux, car il n'y avait personne pour lui.",
    "German": "Der König hatte alles, was er wollte, aber er war nicht glücklich, denn es war niemand da.",
    "Italian": "Il re aveva tutto quello che voleva, ma non era felice perché non c'era nessuno con cui parlare.",
}


@pytest.mark.parametrize(("language", "text"), TEXTS.items())
def test_languages_are_told_apart(language: str, text: str) -> None:
    assert language_of([text]) == language
    assert language_of([text, "xq zzt", "###"]) == language


@pytest.mark.parametrize(
    "text", ["", "...", "王様は欲しいものを全て持っていた。", "qwe rty uio", "Król miał wszystko, czego chciał."]
)
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    assert language_of([text]) is None


def test_lists_are_words_as_texts_have_them() -> None:
    assert set(CONNECTIVES) == set(MEASURED)
    for listed in (*FUNCTION_WORDS.values(), *CONNECTIVES.values()):
        assert all(words(item) == item.split() and item for item in listed)
