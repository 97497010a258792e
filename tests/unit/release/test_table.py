"""The Parquet table of a part."""

from parjanya_dagster.release import table


def test_pictures_of_more_than_a_chunk_holds_are_all_in_the_column() -> None:
    data = [bytes([n]) * size for n, size in enumerate((40, 40, 30, 500, 1, 1))]
    names = [f"{n}.jpg" for n in range(len(data))]
    column = table.picture_column(data, names, most=100)
    assert [len(chunk) for chunk in column.chunks] == [2, 1, 1, 2]
    assert column.to_pylist() == [
        {"bytes": one, "path": name} for one, name in zip(data, names, strict=True)
    ]
