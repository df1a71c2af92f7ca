"""A program in a pseudo-terminal, and the screen that a person would see."""
import re
import time

from kit.waiting import SLOW

PATIENCE = 60 * SLOW


class Screen:
    """A prompt in a pseudo-terminal, and what it has written since the last look."""

    def __init__(self, child):
        import pyte
        self.child = child
        self.text = ""
        lines, columns = child.getwinsize()
        self.screen = pyte.Screen(columns, lines)
        self.screen.write_process_input = child.send         # a terminal tells where its cursor is
        self.stream = pyte.Stream(self.screen)

    def _read(self):
        import pexpect
        try:
            data = self.child.read_nonblocking(65536, 0.2)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.stream.feed(data)
        self.text += plain(data)
        return True

    def see(self, *texts):
        """Look at the screen until all of these are on it at once; forgets what was written until then."""
        end = time.monotonic() + PATIENCE
        while not all(text in "\n".join(self.screen.display) for text in texts):
            picture = "\n".join(line.rstrip() for line in self.screen.display)
            assert time.monotonic() < end and self._read(), f"not all of {texts} in:\n{picture}"
        self.text = ""

    def wait_for(self, text):
        """Everything up to and with `text`, without colours and movements of the cursor."""
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < end, f"no {text!r} in:\n{self.text}"
            assert self._read(), f"ended without {text!r}:\n{self.text}"
        at = self.text.index(text) + len(text)
        seen, self.text = self.text[:at], self.text[at:]
        return seen

    def has(self, text, seconds):
        """Does this come within so many seconds? Nothing is forgotten."""
        end = time.monotonic() + seconds * SLOW
        while text not in self.text and time.monotonic() < end:
            self._read()
        return text in self.text

    def type(self, line):
        self.child.send(line + "\r")

    def ask(self, line, *wanted):
        """Type a line, and see these texts one after the other."""
        self.type(line)
        return "".join(self.wait_for(text) for text in wanted)

    def ended(self):
        end = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < end, f"goes on:\n{self.text}"
        self.child.close()
        return self.child.exitstatus


def plain(text):
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])", "", text).replace("\r", "")
