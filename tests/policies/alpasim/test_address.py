"""What follows `alpasim:`, and a port at which nobody listens; without gRPC."""

import socket

import pytest

from drivedit import main
from policies.alpasim.address import DriverAddress
from policies.policy_error import PolicyError


@pytest.mark.parametrize(
    ("argument", "address", "words"),
    [
        ("localhost:50051", DriverAddress(host="localhost", port=50051), "localhost:50051"),
        ("[::1]:7,deadline=2.5", DriverAddress(host="::1", port=7, deadline=2.5), "[::1]:7"),
        ("a.b:7,camera=front,deadline=1", DriverAddress(host="a.b", port=7, deadline=1.0, camera="front"), "a.b:7"),
        ("h:7,camera=none", DriverAddress(host="h", port=7, camera=None), "h:7"),
    ],
)
def test_an_address_with_its_options(argument, address, words):
    assert DriverAddress.parse(argument) == address
    assert str(address) == words


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("localhost", r"given as alpasim:HOST:PORT\[,deadline=SECONDS\].*, got 'alpasim:localhost'"),
        (":50051", "got 'alpasim::50051'"),
        ("h:99999", r"port in \[1, 65535\], got h:99999"),
        ("h:7,deadline=soon", "a number of seconds, got 'soon'"),
        ("h:7,deadline=0", "positive and finite, got 0.0 s"),
        ("h:7,deadline=nan", "positive and finite, got nan s"),
        ("h:7,speed=3", "got the option 'speed=3'"),
    ],
)
def test_what_is_no_address_is_named(argument, message):
    with pytest.raises(ValueError, match=message):
        DriverAddress.parse(argument)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_refused_connection_names_the_place_and_what_was_asked():
    pytest.importorskip("carla_driver_interface")
    port = closed_port()
    with pytest.raises(PolicyError, match=rf"no driver at 127.0.0.1:{port}: asked for a connection .* refused"):
        DriverAddress(host="127.0.0.1", port=port).check()


def test_a_validation_without_its_driver_has_exit_code_3(capfd, tmp_path):
    pytest.importorskip("carla_driver_interface")
    port = closed_port()
    policy = f"alpasim:127.0.0.1:{port},camera=none"
    assert main(["validate", "--policy", policy, "--world", "road", "--out", str(tmp_path)]) == 3
    assert f"found no driver at 127.0.0.1:{port}" in capfd.readouterr().err


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"alpasim:h:7 needs the extra alpasim: pip install 'drivedit\[alpasim\]'"):
        DriverAddress(host="h", port=7).check()
