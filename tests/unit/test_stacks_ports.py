"""Leases of ports, and ports that an env file fixes."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.stacks.base import StackError
from conformance.stacks.ports import FIRST, HOST, LAST, SIZE, PortBlock, asked_ports, why_taken


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


class TestPortBlock:
    def test_lends_the_ports_of_one_block_once(self) -> None:
        with PortBlock() as block:
            ports = [block.take() for _ in range(SIZE - 1)]
            base = min(ports) - 1
            assert base >= FIRST
            assert base + SIZE - 1 <= LAST < 32_768
            assert (base - FIRST) % SIZE == 0
            assert sorted(ports) == list(range(base + 1, base + SIZE))
            with pytest.raises(StackError, match="used up"):
                block.take()
            block.give_back(ports[3])
            assert block.take() == ports[3]

    def test_is_closed_to_others_until_it_ends(self) -> None:
        with PortBlock() as block:
            base = block.take() - 1
            assert why_taken(base) == "is in use"
        assert why_taken(base) is None

    def test_passes_over_ports_on_which_somebody_listens(self) -> None:
        with PortBlock() as block:
            first = block.take()
            with socket.create_server((HOST, first + 1)), socket.create_server(("0.0.0.0", first + 2)):
                assert block.take() == first + 3

    def test_ends_with_the_process_that_holds_it(self) -> None:
        holding = "from conformance.stacks.ports import PortBlock as P; b = P(); print(b.take(), flush=True); input()"
        with subprocess.Popen(
            [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout
            base = int(holder.stdout.readline()) - 1
            assert why_taken(base) == "is in use"
            holder.kill()
        assert why_taken(base) is None

    def test_says_when_all_blocks_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("conformance.stacks.ports.LAST", FIRST + SIZE - 1)
        with socket.create_server((HOST, FIRST)), pytest.raises(StackError, match="no free block"):
            PortBlock()


class TestAskedPorts:
    VARIABLES = ("PREFECT_PORT", "S3_PORT")

    def read(self, folder: Path, text: str) -> dict[str, int]:
        file = folder / "some.env"
        file.write_text(text, encoding="utf-8")
        return {name: asked.port for name, asked in asked_ports(file, self.VARIABLES).items()}

    def test_reads_what_it_knows_and_leaves_the_rest(self, tmp_path: Path) -> None:
        text = "# S3_PORT=1\n\nexport PREFECT_PORT='20001' # the API\nS3_PORT=\nPOSTGRES_PORT=x\nnot a line\n"
        assert self.read(tmp_path, text) == {"PREFECT_PORT": 20_001}

    def test_the_last_of_two_lines_counts(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, "S3_PORT=x\nS3_PORT=20002\n") == {"S3_PORT": 20_002}

    @pytest.mark.parametrize("value", ["x", "0", "65536", "-1", "1.5", "٣٠٠٠", "4_200", "9" * 5_000, "${A}"])
    def test_what_is_no_port_is_told_with_file_and_line(self, tmp_path: Path, value: str) -> None:
        with pytest.raises(StackError, match=r"PREFECT_PORT=.* \(.*some\.env:3\) is not a port number"):
            self.read(tmp_path, f"A=1\n\nPREFECT_PORT={value}\n")

    def test_an_occupied_port_is_told_with_file_and_line(self, tmp_path: Path, listener: int) -> None:
        with pytest.raises(StackError, match=rf"^PREFECT_PORT={listener} \(.*some\.env:2\) is in use$"):
            self.read(tmp_path, f"\nPREFECT_PORT={listener}\n")

    def test_one_port_for_two_is_told_with_both_lines(self, tmp_path: Path) -> None:
        with pytest.raises(StackError, match=r"S3_PORT=20003 \(.*:2\) is also PREFECT_PORT=20003 \(.*:1\)"):
            self.read(tmp_path, "PREFECT_PORT=20003\nS3_PORT=20003\n")

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "binary.env").write_bytes(b"S3_PORT=\xff\xfe")
        for name, reason in (("none.env", "No such file"), (".", "directory"), ("binary.env", "utf-8")):
            with pytest.raises(StackError, match=f"cannot read the env file .*{reason}"):
                asked_ports(tmp_path / name, self.VARIABLES)
