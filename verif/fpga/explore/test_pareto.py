"""The Pareto front of candidates, and its picture."""

from signum.fpga.explore.pareto import pareto_front, picture_candidates


def row(lut: int, images_per_s: float, fits: bool = True, measured: int | None = None) -> dict:
    return {"lut": lut, "images_per_s": images_per_s, "latency_ms": 1000 / images_per_s, "fits": fits, "mode": "batch",
            "measured": measured and {"lut": measured}, "config": {"rows": 1, "cols": 2, "lanes": 3}}


def test_the_front():
    slow, large, fast, equal = row(100, 5.0), row(300, 4.0), row(200, 9.0), row(200, 9.0)
    assert pareto_front([large, fast, slow, equal, row(10, 99.0, fits=False)], "images_per_s") == [slow, fast]
    assert pareto_front([large, fast, slow], "latency_ms") == [slow, fast]


def test_measured_size_counts():
    small, large = row(100, 5.0, measured=250), row(200, 9.0)
    assert pareto_front([small, large], "images_per_s") == [large]


def test_the_picture(tmp_path):
    rows = [row(100, 5.0), row(200, 9.0, measured=210), row(900, 20.0, fits=False),
            row(1, 1.0, fits=False) | {"images_per_s": None}]
    picture_candidates(tmp_path / "a.png", rows, "images_per_s", 500, "title")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
