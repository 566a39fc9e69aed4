import pytest

from vidformats.bench.report.document import replace_block


def test_replacing_a_block():
    text = "before <!-- end table --> <!-- table -->\nold\n<!-- end table --> after <!-- other -->"
    done = replace_block(text, "table", "new")
    assert done == "before <!-- end table --> <!-- table -->\nnew\n<!-- end table --> after <!-- other -->"
    assert replace_block(done, "table", "new") == done


@pytest.mark.parametrize("document", ["", "<!-- table -->", "<!-- end table --> <!-- table -->"])
def test_a_document_without_the_block(document):
    with pytest.raises(ValueError, match="expected a block"):
        replace_block(document, "table", "new")
