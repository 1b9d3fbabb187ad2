"""Groups of images with nearly the same hazards."""

from cloud.api.computed.near_duplicates import near_duplicates

ZERO, ONE_BIT, TWO_BITS, FAR = bytes(32), b"\1" + bytes(31), b"\3" + bytes(31), b"\xff" * 32


def test_images_are_grouped_by_hashes_that_differ_in_few_bits() -> None:
    hashes = {1: [ZERO], 2: [FAR], 3: [ONE_BIT], 4: [bytes(31) + b"\xff"]}
    assert near_duplicates(hashes, bits=1) == [[1, 3]]
    assert near_duplicates(hashes, bits=0) == []
    assert near_duplicates(hashes, bits=8) == [[1, 3, 4]]
    assert near_duplicates(hashes, bits=256) == [[1, 2, 3, 4]]


def test_an_image_between_two_others_brings_them_into_one_group() -> None:
    assert near_duplicates({5: [ZERO], 6: [ONE_BIT], 7: [TWO_BITS]}, bits=1) == [[5, 6, 7]]


def test_two_like_hazards_of_one_image_are_no_group_and_any_hazard_links() -> None:
    assert near_duplicates({1: [ZERO, ZERO], 2: [FAR]}, bits=4) == []
    assert near_duplicates({1: [ZERO, FAR], 2: [FAR]}, bits=4) == [[1, 2]]
    assert near_duplicates({}, bits=4) == []


def test_many_hashes_are_compared_in_parts() -> None:
    hashes = {n: [n.to_bytes(32, "big")] for n in range(600)}
    hashes[600] = [(599).to_bytes(32, "big")]
    assert near_duplicates(hashes, bits=0) == [[599, 600]]
