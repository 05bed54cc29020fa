"""The example of pictures without a drive, run as it stands on the page."""

import re
import subprocess
import sys

from places import ROOT, environment


def test_the_digits_are_written_read_and_described_as_the_page_says(tmp_path):
    section = (
        (ROOT / "docs/importing.md").read_text().split("## Pictures and clips without a drive")[1].split("\n## ")[0]
    )
    command, program, printed = (
        re.search(rf"^```{k}\n(.*?)^```$", section, re.M | re.S)[1] for k in ("sh", "python", "")
    )
    _, script, folder = command.split("#")[0].split()
    for arguments in ([str(ROOT / script), folder], ["-c", program]):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == printed
