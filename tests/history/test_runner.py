import json
import socket

from vidformats.history import runner


def test_a_machine_is_named_by_its_size():
    facts = runner.machine_facts()
    assert set(facts) == {"machine", "os", "arch", "cpu", "num_cpu", "ram"}
    assert facts["machine"].endswith(f"-{facts['num_cpu']}cpu-{facts['ram'].split()[0]}gib")
    assert socket.gethostname() not in facts.values()


def test_asv_is_told_every_field(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    facts = runner.machine_facts()
    assert runner.describe_machine(facts) == facts["machine"]
    kept = json.loads((tmp_path / ".asv-machine.json").read_text())
    assert kept[facts["machine"]] == facts


def test_asvs_exit_code_is_passed_on_and_what_it_said_is_shown(tmp_path, capfd):
    assert runner.run_asv(["--version"], tmp_path, "version") == 0
    assert runner.run_asv(["nosuchcommand"], tmp_path, "nothing") == 2
    assert "nosuchcommand" in capfd.readouterr().err


def test_what_runs_is_told_from_asvs_lines():
    found = runner._PERCENT.match("[ 12.50%] ··· h5py_reads.Blocks.time_read         ok")
    assert (float(found[1]), found[2].split("  ")[0]) == (12.5, "h5py_reads.Blocks.time_read")
