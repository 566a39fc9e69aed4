"""Made-up figures to decide upon."""

from vidformats.tools.advice.decide import Result


def result(name, warm, nbytes=1e9, *, plain=5, psnr=None, cold=(), ssim=None):
    """Return a candidate with these rounds; lossless unless it has a PSNR."""
    form = name.split()[0]
    return Result(name, form, {}, plain, psnr is None, nbytes, list(warm), list(cold), psnr=psnr, ssim=ssim, frames=100)


def around(rate, spread=0.02):
    """Return five rounds around a rate."""
    return [rate * (1 + spread * k) for k in (-1, -0.5, 0, 0.5, 1)]
