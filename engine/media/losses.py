"""What could not be read of a film, counted."""

from dataclasses import asdict, dataclass


@dataclass(slots=True, kw_only=True)
class Losses:
    """Counts that a reader keeps while it reads. True where pictures are missing or damaged.

    corrupt_packets : coded pictures that the container itself calls damaged; they are decoded all the same
    undecodable_packets : coded pictures (or files of a sequence) that the decoder refused
    corrupt_frames : delivered pictures in which the decoder reports damage
    missing_frames : pictures that are absent, by the gaps they leave in the times
    is_truncated : the film ends before its header says, or reading had to stop early
    repaired_times : timestamps that ran backwards, repeated or jumped, and were put right
    derived_times : timestamps that were absent, and follow from the rate or the durations
    resized_frames : pictures of another size than the first, brought to it
    """

    corrupt_packets: int = 0
    undecodable_packets: int = 0
    corrupt_frames: int = 0
    missing_frames: int = 0
    is_truncated: bool = False
    repaired_times: int = 0
    derived_times: int = 0
    resized_frames: int = 0

    def __bool__(self) -> bool:
        counts = (self.corrupt_packets, self.undecodable_packets, self.corrupt_frames, self.missing_frames)
        return self.is_truncated or any(counts)

    def summary(self) -> str:
        """Return one line for people; empty where nothing happened."""
        parts = [text.format(count) for name, text in _TEXTS.items() if (count := getattr(self, name))]
        if self.is_truncated:
            parts.insert(0, "the film is cut off")
        return ", ".join(parts)

    def to_json(self) -> dict[str, int | bool]:
        """Return the counts by name."""
        return asdict(self)


_TEXTS = {
    "missing_frames": "{} frames missing",
    "undecodable_packets": "{} coded pictures unreadable",
    "corrupt_packets": "{} coded pictures damaged",
    "corrupt_frames": "{} frames shown with damage",
    "resized_frames": "{} frames of another size rescaled",
    "repaired_times": "{} timestamps repaired",
    "derived_times": "{} timestamps derived",
}
