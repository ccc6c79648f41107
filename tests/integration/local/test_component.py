"""Servers are started, watched and ended the same way, whatever they are."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.errors import StartError
from deploy.local.http_ready import answers
from deploy.local.ports import free_port, is_free
from deploy.local.running import Running
from tests.fakes.processes import Child, has_ended, wait_until
from tests.fakes.small_server import DIE, HANG, SmallServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SmallServer]:
    found = SmallServer(tmp_path)
    with found:
        yield found


def test_a_started_server_serves_and_a_stopped_one_leaves_neither_process_nor_port(tmp_path: Path) -> None:
    with SmallServer(tmp_path) as server:
        assert answers(f"http://{server.address}/")
        assert not is_free(server.port)
    assert has_ended(server.pid)
    assert is_free(server.port)
    assert "serving" in server.log()


def test_a_server_comes_back_on_the_same_port(server: SmallServer) -> None:
    first, port = server.pid, server.port
    server.restart()
    assert server.pid != first
    assert server.port == port
    assert answers(f"http://{server.address}/")


def test_a_log_begins_anew_with_each_start_and_the_file_keeps_all(server: SmallServer) -> None:
    server.restart()
    assert server.log().count("serving") == 1
    assert server.log_path.read_text().count("serving") == 2


def test_a_server_that_dies_at_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    server = SmallServer(tmp_path, code=DIE)
    with pytest.raises(StartError, match=r"(?s)small ended before it was ready.*no such luck"):
        server.start()
    assert not server.alive


def test_a_server_that_never_gets_ready_is_killed(tmp_path: Path) -> None:
    server = SmallServer(tmp_path, code=HANG)
    server.launch()
    wait_until(lambda: "thinking" in server.log())
    with pytest.raises(StartError, match=r"(?s)not ready within 0\.2 s.*thinking"):
        server.wait_ready(seconds=0.2)
    assert has_ended(server.pid)


def test_a_server_that_is_up_is_not_started_twice(server: SmallServer) -> None:
    with pytest.raises(StartError, match="runs already"):
        server.launch()
    assert server.alive


def test_a_server_that_ignores_sigterm_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    server = SmallServer(tmp_path, "deaf").start()
    assert not server.stop(seconds=0.2)
    assert server.running.code == -signal.SIGKILL


def test_a_paused_server_stands_still_goes_on_and_can_be_stopped(server: SmallServer) -> None:
    server.pause()
    wait_until(lambda: psutil.Process(server.pid).status() == psutil.STATUS_STOPPED)
    assert server.alive
    server.resume()
    assert answers(f"http://{server.address}/")
    server.pause()
    assert server.stop()


def test_a_leashed_server_ends_with_a_killed_parent(tmp_path: Path) -> None:
    with Child("tests.fakes.holder", tmp_path) as holder:
        holder.wait_for_lines(1)
        pid = int(holder.lines[0])
        assert not has_ended(pid)
        holder.kill()
    wait_until(lambda: has_ended(pid))


def test_a_leashed_server_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    server = SmallServer(tmp_path)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join(60)
    assert answers(f"http://{server.address}/")
    assert server.stop()
    assert server.running.code == -signal.SIGTERM


def test_a_process_known_by_number_and_start_can_be_ended_by_another(server: SmallServer) -> None:
    known = Running(server.pid, server.running.started)
    assert known.alive
    assert known.end(10.0)
    wait_until(lambda: not server.alive)  # until then its threads end one by one


def test_a_process_is_known_by_what_no_setting_of_the_clock_moves(server: SmallServer) -> None:
    since_start = float(Path("/proc/uptime").read_text().split()[0])
    assert 0.0 < server.running.started <= since_start


def test_a_later_process_of_the_same_number_is_left_alone(server: SmallServer) -> None:
    earlier = Running(server.pid, server.running.started - 60.0)
    assert not earlier.alive
    earlier.end(0.1)
    assert server.alive


def test_free_ports_are_none_that_the_kernel_gives_to_clients() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(20_000 <= free_port() < lowest for _ in range(50))
