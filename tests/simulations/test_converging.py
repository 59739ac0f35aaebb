"""Convergence curves of membership cores."""

from simulations.converging import curves


def test_a_death_and_a_newcomer_get_about_in_the_whole_mesh():
    drawn = list(curves((8, 16)))
    assert [(one.nodes, one.happening) for one in drawn] == [(8, "death"), (8, "join"), (16, "death"), (16, "join")]
    for one in drawn:
        shares = [share for _, share in one.points]
        assert shares[0] == 0.0
        assert one.whole_after_s is not None
        assert one.whole_after_s < 15.0
