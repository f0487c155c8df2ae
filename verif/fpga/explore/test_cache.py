"""The cache: kept results are found again, only for equal functions, arguments and sources."""

import pytest

import signum.fpga.explore.cache
from signum.fpga.explore.cache import Cache, sources


def test_results_are_found_again(tmp_path):
    cache = Cache(tmp_path / "cache")
    with pytest.raises(KeyError):
        cache.get("area", [{"rows": 1}, "ecp5"])
    cache.put("area", [{"rows": 1, "cols": 2}, "ecp5"], {"lut": 7})
    assert Cache(tmp_path / "cache").get("area", ({"cols": 2, "rows": 1}, "ecp5")) == {"lut": 7}


@pytest.mark.parametrize(("function", "arguments"), [("cycles", [1]), ("area", [2]), ("area", [1, 1])])
def test_others_are_not(function, arguments, tmp_path):
    Cache(tmp_path).put("area", [1], 5)
    with pytest.raises(KeyError):
        Cache(tmp_path).get(function, arguments)


def test_other_sources_are_another_key(tmp_path, monkeypatch):
    Cache(tmp_path).put("area", [1], 5)
    monkeypatch.setattr(signum.fpga.explore.cache, "sources", lambda: "others")
    with pytest.raises(KeyError):
        Cache(tmp_path).get("area", [1])


def test_a_broken_file_is_none(tmp_path):
    Cache(tmp_path).put("area", [1], 5)
    path, = tmp_path.rglob("output.pkl")
    path.write_bytes(path.read_bytes()[:3])
    with pytest.raises(KeyError):
        Cache(tmp_path).get("area", [1])
    Cache(tmp_path).put("area", [1], 6)
    assert Cache(tmp_path).get("area", [1]) == 6


def test_sources_follow_a_change(tmp_path, monkeypatch):
    found = []
    for text in ("a = 1\n", "a = 2\n"):
        (tmp_path / "unit.py").write_text(text)
        monkeypatch.setattr(signum.fpga.explore.cache.hdl, "__path__", [str(tmp_path)])
        found.append(sources.__wrapped__())
    assert found[0] != found[1]
