"""HTML elements: text and attributes are escaped, finished markup is not escaped again."""

import pytest

from dashboards.markup import Html, element, image, join, number, row, table, with_code, with_commas


def test_text_is_escaped_and_finished_markup_is_not_escaped_again() -> None:
    inner = element("b", "<&>")
    assert inner == "<b>&lt;&amp;&gt;</b>"
    assert element("p", inner, " & ", 3) == "<p><b>&lt;&amp;&gt;</b> &amp; 3</p>"


def test_a_plain_string_that_resembles_markup_is_text() -> None:
    assert join("<i>", element("i")) == "&lt;i&gt;<i></i>"


def test_attributes_are_escaped_and_their_names_have_hyphens() -> None:
    assert (
        element("td", "x", title='"><b>', data_row="r")
        == '<td title="&quot;&gt;&lt;b&gt;" data-row="r">x</td>'
    )


def test_what_is_none_is_left_out() -> None:
    assert element("p", None, "a", cls="", title=None) == "<p>a</p>"
    assert join(None, "a", None) == "a"


def test_a_comma_is_between_two_and_what_is_none_is_left_out() -> None:
    assert with_commas([element("a", "x"), None, "<y>"]) == "<a>x</a>, &lt;y&gt;"
    assert with_commas([]) == ""


def test_an_image_is_fetched_lazily_and_its_description_is_escaped() -> None:
    assert image("/a?b&c", '"x"') == '<img src="/a?b&amp;c" alt="&quot;x&quot;" loading="lazy">'


def test_headers_of_numbers_are_right_aligned() -> None:
    markup = table(("site", "#bytes"), [row("north", number("3 kB"))])
    assert '<th scope="col">site</th><th class="num" scope="col">bytes</th>' in markup
    assert '<tr><td>north</td><td class="num">3 kB</td></tr>' in markup


@pytest.mark.parametrize("cell", [element("td", "x"), number("x", cls="better")])
def test_a_cell_that_is_finished_is_not_wrapped_again(cell: Html) -> None:
    assert row(cell, name="r", cls="worse") == f'<tr class="worse" data-row="r">{cell}</tr>'


def test_what_is_between_two_backticks_is_code_and_a_single_one_is_text() -> None:
    assert with_code("`a <b>` makes `c`.") == "<code>a &lt;b&gt;</code> makes <code>c</code>."
    assert with_code("none") == "none"
    assert with_code("a ` alone <") == "a ` alone &lt;"
