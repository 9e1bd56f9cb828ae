import subprocess
import sys

import pytest

import backlight.data


@pytest.mark.parametrize("name", backlight.data.__all__)
def test_every_name_of_the_package_is_there(name):
    value = getattr(backlight.data, name)
    assert value.__name__ == name
    assert name in dir(backlight.data)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = backlight.data.nonsense


def test_importing_reads_no_library_that_only_reading_needs():
    code = (
        "import sys, backlight.data, backlight.data.catalogue, backlight.data.folder\n"
        "print([m for m in ('sklearn', 'PIL', 'pooch', 'platformdirs') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
