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


def test_asvs_exit_code_is_passed_on_and_its_output_shown(tmp_path, capfd):
    assert runner.run_asv(["--version"], tmp_path) == 0
    assert runner.run_asv(["nosuchcommand"], tmp_path) == 2
    assert "nosuchcommand" in capfd.readouterr().err
