"""A run's refinement on disk: what was written comes back, what is damaged is one sentence."""

from pathlib import Path

import pytest

from intarsia.energies.crf_settings import CRFSettings
from intarsia.errors import ArgumentError, RunError
from intarsia.runs.refinement import Fit, Refinement, make_settings

FIT = Fit("photos", "val", ("ab", "cd"), (0.5, 0.6), (0.4, 0.45), (0.3, 0.6), 1.5)
POTTS = CRFSettings(appearance_weight=4, compatibility=((0.0, 1.0), (1.0, 0.0)))


@pytest.mark.parametrize("refinement", [Refinement(CRFSettings()), Refinement(POTTS, FIT)])
def test_what_is_written_comes_back(refinement: Refinement, tmp_path: Path) -> None:
    refinement.write(tmp_path / "run" / "refinement.json")
    assert Refinement.read(tmp_path / "run" / "refinement.json") == refinement


def test_the_protocol_says_who_chose() -> None:
    assert Refinement(CRFSettings()).protocol.endswith("80 pixels and 13 levels, set by hand.")
    assert "appearance 4 at" in Refinement(POTTS, FIT).protocol
    assert Refinement(POTTS, FIT).protocol.endswith("chosen on 2 images of photos.")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Expecting value"),
        ("[]", "valid dictionary"),
        ("{}", "`settings` are missing"),
        (
            '{"settings": {"smoothnes_weight": 3}}',
            "The dense CRF has no setting `smoothnes_weight`; it has iterations, ",
        ),
        ('{"settings": {"iterations": -1}}', r"`iterations` \(=-1\) must be"),
        ('{"settings": {"appearance_sxy": "wide"}}', r"`appearance_sxy` \(='wide'\): input should be a valid number"),
        ('{"settings": {"appearance_sxy": NaN}}', r"must be from 0.001 to 1e\+300"),
        ('{"settings": {}, "fit": {"data": "photos"}}', "`split` is missing"),
    ],
)
def test_damage_is_one_sentence(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "refinement.json"
    path.write_text(text)
    with pytest.raises(RunError, match=complaint) as error:
        Refinement.read(path)
    assert str(error.value).endswith(
        f"make another by `intarsia refine {tmp_path} DATA --fit`, or drop it by `--remove`."
    )
    assert "\n" not in str(error.value)


def test_settings_by_name_change_a_base() -> None:
    assert make_settings({"iterations": "3"}, POTTS) == CRFSettings(
        3, appearance_weight=4, compatibility=POTTS.compatibility
    )
    with pytest.raises(ArgumentError, match=r"`iterations` \(='3\.5'\)"):
        make_settings({"iterations": "3.5"})
    with pytest.raises(ArgumentError, match=r"^`smoothness_sxy` \(=0\.0\) must be from 0.001 to 1e"):
        make_settings({"smoothness_sxy": "0"})
