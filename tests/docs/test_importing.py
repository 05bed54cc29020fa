"""The example of pictures without a drive, run as it stands on the page."""

import re
import subprocess
import sys

from places import ROOT, environment


def test_the_digits_are_written_read_and_described_as_the_page_says(tmp_path):
    page = (ROOT / "docs/importing.md").read_text()
    section = page.split("## Pictures and clips without a drive")[1].split("\n## ")[0]
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))
    _, script, folder = blocks["sh"].split("#")[0].split()
    said = []
    for arguments in ([str(ROOT / script), folder], ["-c", blocks["python"]]):
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[1] == blocks["text"]
