"""What is printed is what was given: brackets, backslashes and emoji codes have no meaning."""

import pytest

from messaging.runtime.console import PlainConsole

TEXTS = ["^[a-z]{0,39}$", "/data/[/x]/n.yaml", "[red]x[/red]", "a\\[b]", ":smile:", "x" * 300]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_printed_as_it_is_on_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    PlainConsole().print(text)
    PlainConsole().print_line(("ok", "green"), "  ", text)
    assert capsys.readouterr().out == f"{text}\nok  {text}\n"
