"""Whether gates remember: blocks and decorators, nested, after errors, a thread each."""

import threading

import pytest

import backlight as bl


def remembers():
    return (bl.tensor(1.0, requires_grad=True) * 2).requires_grad


def test_blocks_nest():
    assert remembers()
    with bl.no_grad():
        assert not remembers()
        with bl.enable_grad():
            assert remembers()
            with bl.no_grad():
                assert not remembers()
            assert remembers()
        assert not remembers()
    assert remembers()


def test_one_block_object_may_be_entered_twice():
    block = bl.no_grad()
    with block, bl.enable_grad(), block:
        assert not remembers()
    assert remembers()


def test_decorators():
    @bl.no_grad()
    def silent(depth):
        """Says so."""
        return (remembers(), silent(depth - 1)) if depth else remembers()

    @bl.enable_grad()
    def loud():
        return remembers()

    assert silent(2) == (False, (False, False))
    assert silent.__doc__ == "Says so."
    with bl.no_grad():
        assert loud()
        assert not remembers()
    assert remembers()


@pytest.mark.parametrize("form", ["block", "decorator"])
def test_an_error_leaves_the_mode_as_it_was(form):
    def fail():
        raise KeyError

    def block():
        with bl.no_grad():
            fail()

    with pytest.raises(KeyError):
        (block if form == "block" else bl.no_grad()(fail))()
    assert remembers()


def test_every_thread_has_its_own():
    found = []
    with bl.no_grad():
        one = threading.Thread(target=lambda: found.append(remembers()))
        one.start()
        one.join()
    assert found == [True]


def test_backward_restores_the_mode():
    x = bl.tensor(2.0, requires_grad=True)
    with bl.no_grad():
        with bl.enable_grad():
            y = x * x
        y.backward()
        assert not bl.is_grad_enabled()
    y = x * x
    y.backward()
    with pytest.raises(bl.errors.GraphError):
        y.backward()
    assert bl.is_grad_enabled()
