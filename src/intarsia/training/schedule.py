"""The learning rate as a pure function of the step."""


def polynomial(step: int, steps: int, base: float, power: float = 0.9) -> float:
    """``base · (1 − step / steps)^power``, per step (ParseNet, arXiv:1506.04579; DeepLab v2, section 4.1).

    >>> [round(polynomial(step, 10, 1.0), 3) for step in (0, 5, 9)]
    [1.0, 0.536, 0.126]
    """
    return base * (1 - step / steps) ** power
