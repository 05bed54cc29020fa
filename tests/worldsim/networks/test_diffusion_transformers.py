"""ImageDiT and VideoDiT: published counts and outputs, what influences what, what they refuse."""

from dataclasses import replace

import pytest
import torch
from tiny_model import woken

from worldsim.networks.diffusion_transformers import ImageDiT, VideoDiT
from worldsim.networks.embeddings import position_embedding
from worldsim.networks.generative_configs import PatchDiTConfig
from worldsim.networks.layers import Attention
from worldsim.networks.rope import Axis, axial_angles, rotation_of
from worldsim.networks.sizes import IMAGE_SIZES, image_size, video_size

TINY = PatchDiTConfig(width=32, depth=2, num_heads=2, num_classes=3)
TIMES = torch.tensor([3, 700])


def num_parameters(network: type[VideoDiT], config: PatchDiTConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in network(config).parameters())


@pytest.mark.parametrize(
    ("name", "published"),
    [("dit-s/2", 32_963_360), ("dit-b/2", 130_512_416), ("dit-l/2", 458_102_816), ("dit-xl/2", 675_129_632)],
)
def test_published_counts(name: str, published: int) -> None:
    """Which count the fixed positions of 32 x 32 latents as well."""
    config = image_size(name)
    positions = position_embedding(None, (16, 16), config.width, torch.device("cpu"))
    assert num_parameters(ImageDiT, config) + positions.numel() == published


def test_every_published_size_and_patch() -> None:
    assert {name for name in IMAGE_SIZES if "dit" in name} == {
        f"dit-{s}/{p}" for s in ["s", "b", "l", "xl"] for p in (2, 4, 8)
    }
    assert num_parameters(ImageDiT, image_size("cifar-10/4")) == 7_387_568


@pytest.mark.parametrize(
    ("name", "count"),
    [("small", 38_735_376), ("medium", 129_508_624), ("large", 456_728_592), ("xl", 1_197_132_816)],
)
def test_counts_that_the_widths_of_videos_give(name: str, count: int) -> None:
    assert num_parameters(VideoDiT, video_size(name)) == count


def test_an_unknown_size_is_named() -> None:
    with pytest.raises(ValueError, match="'huge'; there are small, medium, large, xl"):
        video_size("huge")


@pytest.mark.parametrize("learn_sigma", [False, True])
@pytest.mark.parametrize("positions", ["absolute", "rotary"])
@pytest.mark.parametrize("attention", ["space", "joint", "factorised"])
def test_the_output_is_zero_at_first_and_as_large_as_the_input(
    learn_sigma: bool, positions: str, attention: str
) -> None:
    config = replace(TINY, learn_sigma=learn_sigma, positions=positions, attention=attention)
    model = VideoDiT(config)
    x = torch.randn(2, 4, 3, 6, 10)
    out = model(x, TIMES, torch.tensor([0, 2]))
    assert out.shape == (2, 8 if learn_sigma else 4, 3, 6, 10)
    assert not out.any()
    assert woken(model)(x, TIMES).abs().amin(dim=(1, 2, 3, 4)).gt(0).all()


@pytest.mark.parametrize("positions", ["absolute", "rotary"])
def test_pictures_are_clips_of_one_frame(positions: str) -> None:
    config = replace(TINY, attention="space", positions=positions)
    image, video = ImageDiT(config), woken(VideoDiT(config))
    image.load_state_dict(video.state_dict())
    clip = torch.randn(2, 4, 3, 4, 6)
    frames = torch.stack([image(frame, TIMES) for frame in clip.unbind(2)], dim=2)
    torch.testing.assert_close(video(clip, TIMES), frames)


@pytest.mark.parametrize(
    ("depth", "attention", "reached"), [(2, "space", "frame"), (2, "factorised", "all"), (1, "joint", "all")]
)
def test_what_a_patch_influences(depth: int, attention: str, reached: str) -> None:
    model = woken(VideoDiT(replace(TINY, depth=depth, attention=attention)))
    x = torch.randn(1, 4, 3, 4, 4)
    changed = x.clone()
    changed[0, :, 1, 0, 0] += 1.0
    difference = (model(x, TIMES[:1]) - model(changed, TIMES[:1])).abs().amax(dim=(0, 1))
    frames = difference.flatten(1).gt(0).all(dim=1).tolist()
    assert frames == ([False, True, False] if reached == "frame" else [True] * 3)
    assert difference.gt(0).any(dim=2).any(dim=1).tolist() == frames


def test_blocks_of_factorised_attention_take_turns() -> None:
    """The first sees a frame alone; the second a cell alone."""
    model = woken(VideoDiT(TINY))
    assert model.axes == ("space", "time")
    x = torch.randn(1, 3, 4, 32)
    changed = x.clone()
    changed[0, 1, 2] += 1.0
    for block, axis in zip(model.blocks, model.axes, strict=True):
        rotation = rotation_of(axial_angles(torch.arange(3), (2, 2), 16, axis))
        a, b = (block.attention(tokens, rotation, None, None)[0][0] for tokens in (x, changed))
        expected = torch.zeros(3, 4, dtype=torch.bool)
        expected[(1, slice(None)) if axis == "space" else (slice(None), 2)] = True
        assert torch.equal((a - b).abs().amax(-1) > 0, expected)


@pytest.mark.parametrize("axis", ["space", "time", "joint"])
def test_rotary_attention_knows_relative_positions_alone(axis: Axis) -> None:
    """In float64: tokens moved together, in time, row and column, attend alike; moved apart, they do not."""
    attention = woken(Attention(48, 2, axis)).double()
    x = torch.randn(1, 2, 6, 48, dtype=torch.float64)

    def attend(row: int, column: int, times: tuple[int, int]) -> torch.Tensor:
        angles = axial_angles(torch.tensor(times), (9, 9), 24, axis).unflatten(0, (2, 9, 9)).double()
        cut = angles[:, row : row + 2, column : column + 3].flatten(0, 2)
        return attention(x, rotation_of(cut), None, None)[0]

    torch.testing.assert_close(attend(0, 0, (0, 1)), attend(5, 3, (7, 8)), atol=1e-5, rtol=1e-5)
    if axis != "space":
        assert (attend(0, 0, (0, 1)) - attend(0, 0, (0, 5))).abs().max() > 1e-3


def test_null_label_is_no_label() -> None:
    model = woken(VideoDiT(TINY))
    x = torch.randn(2, 4, 2, 4, 4)
    null = torch.full((2,), model.null_label)
    assert torch.equal(model(x, TIMES), model(x, TIMES, null))
    assert not torch.equal(model(x, TIMES), model(x, TIMES, torch.tensor([0, 1])))


def test_times_are_scaled() -> None:
    steps, flow = woken(VideoDiT(TINY)), VideoDiT(replace(TINY, time_scale=1000.0))
    flow.load_state_dict(steps.state_dict())
    x = torch.randn(2, 4, 2, 4, 4)
    torch.testing.assert_close(steps(x, TIMES), flow(x, TIMES / 1000))


@pytest.mark.parametrize(
    ("x", "label", "message"),
    [
        (torch.zeros(2, 4, 2, 5, 4), None, "multiples of the patch, 2, got 5 x 4"),
        (torch.zeros(2, 3, 2, 4, 4), None, "3 channels, the network was built for 4"),
        (torch.zeros(2, 4, 2, 4, 4), torch.tensor([0, 4]), "label 4 is no class: there are 0 to 2, and 3"),
    ],
)
def test_wrong_inputs_are_named(x: torch.Tensor, label: torch.Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoDiT(TINY)(x, TIMES, label)


def test_labels_need_classes() -> None:
    with pytest.raises(ValueError, match=r"labels \[1, 2\] were given to a network without classes"):
        VideoDiT(replace(TINY, num_classes=0))(torch.zeros(2, 4, 2, 4, 4), TIMES, torch.tensor([1, 2]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width must be positive, got 0"),
        ({"num_heads": 3}, "multiple of 8, got 32 / 3"),
        ({"depth": 3}, "even depth, got 3"),
        ({"attention": "all"}, "got 'all'"),
        ({"positions": "learned"}, "got 'learned'"),
        ({"num_classes": -1}, "got -1"),
    ],
)
def test_wrong_configs_are_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)


def test_it_is_the_published_network() -> None:
    """With the weights of diffusers' own DiT it answers alike, whatever the class."""
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    theirs = diffusers.DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=8, num_layers=2, sample_size=8,
        patch_size=2, num_embeds_ada_norm=3,
    ).eval()  # fmt: skip
    config = replace(TINY, learn_sigma=True, positions="absolute", attention="space", qk_norm=False)
    ours = ImageDiT(config)
    given = woken(theirs).state_dict()
    # each of their blocks embeds time and label again: published weights hold the same everywhere
    embedding = {
        k.rpartition(".norm1.emb.")[2]: v for k, v in given.items() if k.startswith("transformer_blocks.0.norm1.emb.")
    }
    for block in theirs.transformer_blocks:
        block.norm1.emb.load_state_dict(embedding)
        # frequencies as published: i / 128 of the exponent; theirs are i / 127 if left alone
        block.norm1.emb.time_proj.downscale_freq_shift = 0
        block.norm3.eps = 1e-6
    ours.load_state_dict(published_weights(given, embedding, config))
    x, label = torch.randn(2, 4, 8, 8), torch.tensor([1, 3])
    expected = theirs(x, timestep=TIMES, class_labels=label).sample
    torch.testing.assert_close(ours.eval()(x, TIMES, label), expected, atol=1e-5, rtol=1e-4)


def published_weights(given: dict, embedding: dict, config: PatchDiTConfig) -> dict:
    """Ours, of diffusers' names."""
    pairs = {
        "patches.weight": given["pos_embed.proj.weight"].flatten(1),
        "patches.bias": given["pos_embed.proj.bias"],
        "embedding.labels.weight": embedding["class_embedder.embedding_table.weight"],
    }
    names = {"modulation": "proj_out_1", "out": "proj_out_2"}
    for k in range(config.depth):
        theirs = f"transformer_blocks.{k}"
        names |= {
            f"blocks.{k}.attention.out": f"{theirs}.attn1.to_out.0",
            f"blocks.{k}.mlp.fc1": f"{theirs}.ff.net.0.proj",
            f"blocks.{k}.mlp.fc2": f"{theirs}.ff.net.2",
            f"blocks.{k}.modulation": f"{theirs}.norm1.linear",
        }
    for part in ("weight", "bias"):
        pairs |= {f"{ours}.{part}": given[f"{theirs}.{part}"] for ours, theirs in names.items()}
        for layer, name in ((0, "linear_1"), (2, "linear_2")):
            pairs[f"embedding.time.{layer}.{part}"] = embedding[f"timestep_embedder.{name}.{part}"]
        for k in range(config.depth):
            qkv = [given[f"transformer_blocks.{k}.attn1.to_{each}.{part}"] for each in "qkv"]
            pairs[f"blocks.{k}.attention.qkv.{part}"] = torch.cat(qkv)
    return pairs
