from sklstm._tables import aligned, html_table

ROWS = [["name", "kind", "n"], ["a<b", "x", "10"], ["c", "", "7"]]


def test_texts_are_to_the_left_and_numbers_to_the_right():
    assert aligned(ROWS, 2) == ["name  kind   n", "a<b   x     10", "c            7"]


def test_lines_end_where_the_last_text_does():
    assert aligned([["a", "bcd"], ["e", ""]], 2) == ["a  bcd", "e"]


def test_html_is_escaped_and_aligned():
    table = html_table(ROWS, 2, caption="of <two>")
    assert table.startswith("<table><caption>of &lt;two&gt;</caption><thead><tr><th>name</th>")
    assert '<tr><td style="text-align: left">a&lt;b</td>' in table
    assert '<td style="text-align: right">10</td></tr>' in table
    assert table.count("<tr>") == len(ROWS)


def test_a_table_may_have_no_caption():
    assert "caption" not in html_table(ROWS, 1)
