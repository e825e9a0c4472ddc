"""A drawing for each post in the list of posts, to be understood at 160 pixels: few shapes, thick lines, no small letters.

python tests/pages.py --images draws them with the site's other pictures.
"""
import matplotlib
import numpy as np
from PIL import Image, ImageOps
from render import THUMBNAILS

from pet_breeds.sample import draw_pet, make_breeds

matplotlib.use('agg')
import matplotlib.pyplot as plt

BLUE, ORANGE, GREY, INK = '#1f5fa6', '#d9730d', '#c9ced6', '#26303c'
SIZE = (640, 400)


def pet(i, seed=3, side=400):
    return ImageOps.fit(draw_pet(make_breeds()[i], np.random.default_rng([seed, i]), long_side=side), (side, side))


def canvas():
    fig, ax = plt.subplots(figsize=(6.4, 4), dpi=100)
    ax.set_position((.06, .08, .88, .84))
    ax.set(xticks=[], yticks=[])
    for side in ('top', 'right'): ax.spines[side].set_visible(False)
    for side in ('left', 'bottom'): ax.spines[side].set(linewidth=5, color=INK)
    return fig, ax


def bare():
    fig, ax = canvas()
    ax.axis('off')
    return fig, ax


def image_of(fig):
    fig.canvas.draw()
    image = Image.fromarray(np.asarray(fig.canvas.buffer_rgba())[..., :3].copy())
    plt.close(fig)
    return image


def data():
    whole = Image.new('RGB', SIZE, 'white')
    for i, breed in enumerate((0, 1, 8, 9)):
        whole.paste(ImageOps.fit(pet(breed), (316, 196), centering=(.5, .3)), (i % 2 * 324, i // 2 * 204))
    return whole


def baseline():
    fig, ax = canvas()
    x = np.arange(6)
    ax.plot(x, .12 + .8 * .5**x, color=BLUE, linewidth=12, marker='o', markersize=26)
    ax.set(ylim=(0, 1.02), xlim=(-.3, 5.3))
    return image_of(fig)


def lr_find():
    fig, ax = canvas()
    x = np.linspace(0, 1, 200)
    y = .8 - .55 / (1 + np.exp(-14 * (x - .45))) + np.clip(x - .8, 0, None)**2 * 40
    ax.plot(x, y, color=BLUE, linewidth=12)
    at = 100
    ax.plot(x[at], y[at], 'o', color=ORANGE, markersize=40)
    ax.set(ylim=(.1, 1.05))
    return image_of(fig)


def unfreeze():
    fig, ax = bare()
    for i in range(6): ax.barh(i, 1, height=.78, color=matplotlib.colormaps['Oranges'](.08 + .16 * i), edgecolor=INK, linewidth=4)
    return image_of(fig)


def deeper():
    fig, ax = bare()
    for x, n in ((0, 4), (1.4, 11)):
        for i in range(n): ax.barh(i, 1, left=x, height=.72, color=BLUE if x else GREY)
    return image_of(fig)


def compare():
    fig, ax = bare()
    for y, (low, mid, high), color in ((1, (.25, .5, .75), BLUE), (0, (.05, .33, .61), ORANGE)):
        ax.plot([low, high], [y, y], color=color, linewidth=16, solid_capstyle='butt')
        ax.plot(mid, y, 'o', color=color, markersize=50)
    ax.set(ylim=(-.7, 1.7), xlim=(-.05, .85))
    return image_of(fig)


def features():
    fig, ax = canvas()
    rng = np.random.default_rng(4)
    for center, color, mark in (((-1, -.5), BLUE, 'o'), ((1, .6), ORANGE, 's')):
        points = rng.normal(center, .33, (12, 2))
        ax.plot(*points.T, mark, color=color, markersize=20)
    ax.plot([-1.3, 1.3], [2, -2], color=INK, linewidth=8)
    ax.set(xlim=(-2.2, 2.2), ylim=(-2, 2))
    return image_of(fig)


def confidence():
    fig, ax = canvas()
    x = np.linspace(.1, .9, 5)
    ax.bar(x, x * np.array([1, .9, .85, .8, .8]), width=.16, color=BLUE)
    ax.plot([0, 1], [0, 1], color=ORANGE, linewidth=12, linestyle=(0, (2, 1)))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    return image_of(fig)


def speed():
    fig, ax = bare()
    ax.barh(1, 1, height=.55, color=GREY)
    ax.barh(0, .24, height=.55, color=ORANGE)
    ax.plot([0, 0], [-.6, 1.6], color=INK, linewidth=8)
    ax.set(xlim=(-.03, 1), ylim=(-.6, 1.6))
    return image_of(fig)


def predict():
    fig, ax = bare()
    ax.imshow(pet(7), extent=(0, 1, 0, 1), aspect='auto')
    ax.text(1.06, .62, make_breeds()[7].name.replace('_', '\n'), fontsize=34, color=INK, va='center')
    ax.text(1.06, .24, '97 %', fontsize=56, weight='bold', color=ORANGE, va='center')
    ax.set(xlim=(0, 1.85), ylim=(0, 1))
    return image_of(fig)


DRAWINGS = dict(zip(THUMBNAILS, (data, baseline, lr_find, unfreeze, deeper, compare, features, confidence, speed, predict), strict=True))


def write_thumbnails(folder):
    for number, draw in DRAWINGS.items():
        draw().quantize(48, dither=Image.Dither.NONE).save(folder / f'thumb-{number}.png', optimize=True)
