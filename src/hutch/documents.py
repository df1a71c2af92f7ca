"""What json() of the clients encodes and decodes with, unless it is told otherwise: Python's own, with a compiled way for what is usual."""
import json

from hutch_engine.door.json_text import Unusual, json_decoded, json_encoded


class Encoder(json.JSONEncoder):
    """Writes compact UTF-8 where Python's encoder writes spaces and escapes: the document is the same."""

    def encode(self, o):
        """The text of a value, as bytes; as Python's where it is unusual. TypeError or ValueError for a value that is none of JSON's."""
        text = json_encoded(o)
        return super().encode(o) if text is None else text


class Decoder(json.JSONDecoder):
    """Reads replies as they come, without making them text first."""

    def decode(self, s, *args):
        """The value of a text, of bytes, too. As Python's where that is unusual: JSONDecodeError for what is no JSON, TypeError for bytes."""
        if not args:
            try:
                return json_decoded(s)
            except Unusual:
                pass
        return super().decode(s, *args)


ENCODER = Encoder()
DECODER = Decoder()
