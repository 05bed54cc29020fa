"""Draws the viewer: camera image, instruments, bird's-eye map, buttons, on a pygame surface."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pygame

from envs.centreline import centreline
from envs.viewer_layout import MAP_AHEAD, Box, Layout, Readout, lane_outline, map_points, object_corners, readouts
from envs.viewer_session import Moment
from worldsim.scene import ObjectKind, SceneState
from worldsim.vehicle import VehicleModel

BACKGROUND = (16, 19, 24)
CARD = (26, 30, 38)
RAISED = (40, 46, 57)
LINE = (58, 66, 80)
TEXT = (232, 236, 242)
DIM = (138, 148, 164)
ACCENT = (86, 196, 190)
ALARM = (240, 98, 84)
WARM = (244, 184, 96)

OBJECT_COLORS = {
    ObjectKind.CAR: (122, 166, 240),
    ObjectKind.TRUCK: (178, 148, 240),
    ObjectKind.PEDESTRIAN: WARM,
    ObjectKind.STATIC: DIM,
}

LABELS = {"restart": "R  Again", "step": "N  Step", "rewind": "B  Back 2 s"}
HELP = "arrows or WASD drive · space brakes · 1–9 start · Enter next start · Tab clean view · Esc quit"


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the window shows besides the moment.

    Args:
        world: name of the world.
        paused: the drive stands still.
        recording: a film is being taken.
        driver: name of the policy that can drive; None when there is none.
        autopilot: the policy drives.
        busy: text over the image while the world is not there yet; "" otherwise.
        message: a line for the person.
        frames_per_second: steps of the world in a second, as it went lately.
        hovered: button under the mouse.
    """

    world: str
    paused: bool
    recording: bool
    driver: str | None
    autopilot: bool
    busy: str
    message: str
    frames_per_second: float
    hovered: str | None


class Painter:
    """Draws moments onto a surface. pygame.font must be initialised."""

    def __init__(self) -> None:
        names = "inter,segoeui,helveticaneue,dejavusans,liberationsans,arial"
        self._small = pygame.font.SysFont(names, 14)
        self._normal = pygame.font.SysFont(names, 16)
        self._title = pygame.font.SysFont(names, 20, bold=True)
        self._huge = pygame.font.SysFont(names, 60, bold=True)
        self._vehicle = VehicleModel()

    def draw(self, surface: pygame.Surface, layout: Layout, moment: Moment | None, status: Status) -> None:
        """Draw everything; `moment` is None until the world has answered once."""
        surface.fill(BACKGROUND)
        if moment is None:
            pygame.draw.rect(surface, CARD, layout.view, border_radius=8)
            self._text(surface, self._title, status.busy, TEXT, _center(layout.view), align=0.5)
            return
        self._draw_view(surface, layout.view, moment, status)
        if layout.panel is not None:
            self._draw_panel(surface, layout.panel, moment, status)
        if layout.steer_bar is not None:
            self._draw_steer_bar(surface, layout.steer_bar, moment)
        for name, box in layout.buttons.items():
            self._draw_button(surface, box, name, status)
        if layout.footer is not None:
            self._text(surface, self._small, HELP, DIM, layout.footer[:2])

    def _draw_view(self, surface: pygame.Surface, box: Box, moment: Moment, status: Status) -> None:
        image = cv2.resize(moment.frame, (box.w, box.h), interpolation=cv2.INTER_CUBIC)
        surface.blit(pygame.image.frombuffer(image.tobytes(), (box.w, box.h), "RGB"), box[:2])
        if status.recording:
            pygame.draw.circle(surface, ALARM, (box.x + 20, box.y + 20), 7)
            self._text(surface, self._normal, "REC", TEXT, (box.x + 34, box.y + 11))
        if moment.ended and status.paused:
            self._banner(surface, box, moment.ended.capitalize(), "R again   B back 2 s   P go on", ALARM)
        elif status.paused:
            self._banner(surface, box, "Paused", "P go on   N one step", ACCENT)
        if status.busy or status.message:
            self._text(surface, self._small, status.busy or status.message, TEXT, (box.x + 14, box.y + box.h - 26))

    def _banner(self, surface: pygame.Surface, box: Box, title: str, hint: str, color: tuple[int, int, int]) -> None:
        shade = pygame.Surface((box.w, 76), pygame.SRCALPHA)
        shade.fill((*BACKGROUND, 200))
        top = box.y + box.h // 8
        surface.blit(shade, (box.x, top))
        middle = box.x + box.w // 2
        self._text(surface, self._title, title, color, (middle, top + 14), align=0.5)
        self._text(surface, self._small, hint, TEXT, (middle, top + 44), align=0.5)

    def _draw_panel(self, surface: pygame.Surface, box: Box, moment: Moment, status: Status) -> None:
        pygame.draw.rect(surface, CARD, box, border_radius=10)
        x, right, y = box.x + 18, box.x + box.w - 18, box.y + 14
        self._text(surface, self._title, f"{status.world} world", TEXT, (x, y))
        self._text(surface, self._small, f"seed {moment.seed}", DIM, (right, y + 4), align=1)
        who = status.driver if status.autopilot else "you"
        self._text(surface, self._small, f"{who} driving", ACCENT if status.autopilot else DIM, (x, y + 27))
        distance = f"{moment.time:.1f} s   {moment.distance:.0f} m"
        self._text(surface, self._small, distance, DIM, (right, y + 27), align=1)
        y = self._draw_speed(surface, x, right, y + 50, moment.scene)
        for line in readouts(moment):
            self._draw_readout(surface, line, x, right, y)
            y += 31
        latency = f"step {moment.latency * 1e3:.0f} ms   {status.frames_per_second:.1f} steps/s"
        bottom = box.y + box.h - 26
        self._text(surface, self._small, latency, DIM, (x, bottom))
        if bottom - y > 120:
            self._draw_map(surface, Box(x, y + 6, right - x, bottom - y - 16), moment.scene)

    def _draw_speed(self, surface: pygame.Surface, x: int, right: int, y: int, scene: SceneState) -> int:
        shown = f"{max(float(scene.speed), 0) * 3.6:.0f}" if scene.ego_valid[0] else "–"
        width = self._text(surface, self._huge, shown, TEXT, (x, y))
        self._text(surface, self._normal, "km/h", DIM, (x + width + 10, y + 38))
        if scene.lane_valid[3]:
            center = (right - 24, y + 36)
            over = scene.ego_valid[0] and scene.speed > scene.speed_limit + 1.5
            pygame.draw.circle(surface, ALARM if over else LINE, center, 24, width=4)
            limit = f"{float(scene.speed_limit) * 3.6:.0f}"
            self._text(surface, self._normal, limit, TEXT, (center[0], center[1] - 10), align=0.5)
        return y + 80

    def _draw_readout(self, surface: pygame.Surface, line: Readout, x: int, right: int, y: int) -> None:
        color = ALARM if line.alarm else TEXT
        self._text(surface, self._small, line.label, DIM, (x, y))
        self._text(surface, self._small, line.text, color, (right, y), align=1)
        bar = Box(x, y + 20, right - x, 4)
        pygame.draw.rect(surface, RAISED, bar, border_radius=2)
        if line.level is None:
            return
        fill = ALARM if line.alarm else ACCENT
        if line.signed:
            middle, end = bar.x + bar.w // 2, bar.x + round(bar.w / 2 * (1 - line.level))
            pygame.draw.rect(surface, fill, (min(middle, end), bar.y, max(abs(end - middle), 2), 4), border_radius=2)
        elif line.level > 0:
            pygame.draw.rect(surface, fill, (bar.x, bar.y, max(round(bar.w * line.level), 2), 4), border_radius=2)

    def _draw_map(self, surface: pygame.Surface, box: Box, scene: SceneState) -> None:
        pygame.draw.rect(surface, BACKGROUND, box, border_radius=8)
        surface.set_clip(pygame.Rect(box))
        for distance in range(10, int(MAP_AHEAD), 10):
            y = round(map_points(np.array([distance, 0.0]), box)[0, 1])
            pygame.draw.line(surface, CARD, (box.x, y), (box.x + box.w, y))
        outline = lane_outline(scene)
        if len(outline):
            pygame.draw.polygon(surface, RAISED, map_points(outline, box).tolist())
            pygame.draw.aalines(surface, ACCENT, False, map_points(centreline(scene), box).tolist())
        for pose, kind in zip(scene.objects, scene.object_kinds, strict=True):
            if kind != ObjectKind.EMPTY:
                corners = map_points(object_corners(pose), box)
                pygame.draw.polygon(surface, OBJECT_COLORS[ObjectKind(int(kind))], corners.tolist())
        ego = np.array([0, 0, 0, 0, self._vehicle.length, self._vehicle.width])
        pygame.draw.polygon(surface, TEXT, map_points(object_corners(ego), box).tolist())
        surface.set_clip(None)

    def _draw_steer_bar(self, surface: pygame.Surface, box: Box, moment: Moment) -> None:
        pygame.draw.rect(surface, CARD, box, border_radius=box.h // 2)
        middle = box.x + box.w // 2
        pygame.draw.line(surface, LINE, (middle, box.y + 6), (middle, box.y + box.h - 6), 2)
        knob = middle - round(float(moment.action[0]) * (box.w / 2 - box.h / 2))
        pygame.draw.circle(surface, ACCENT, (knob, box.y + box.h // 2), box.h // 2 - 4)

    def _draw_button(self, surface: pygame.Surface, box: Box, name: str, status: Status) -> None:
        active = {"pause": status.paused, "record": status.recording, "autopilot": status.autopilot}.get(name, False)
        label = LABELS.get(name) or {
            "pause": "P  Go on" if status.paused else "P  Pause",
            "record": "V  Save" if status.recording else "V  Record",
            "autopilot": "M  Take over" if status.autopilot else "M  Autopilot",
        }.get(name, name)
        dead = name == "autopilot" and status.driver is None
        background = LINE if name == status.hovered and not dead else RAISED
        pygame.draw.rect(surface, background if not dead else CARD, box, border_radius=8)
        if active:
            pygame.draw.rect(surface, ALARM if name == "record" else ACCENT, box, width=2, border_radius=8)
        self._text(surface, self._small, label, DIM if dead else TEXT, (box.x + box.w // 2, box.y + 14), align=0.5)

    def _text(
        self,
        surface: pygame.Surface,
        font: pygame.font.Font,
        text: str,
        color: tuple[int, int, int],
        at: tuple[int, int],
        *,
        align: float = 0.0,
    ) -> int:
        """Draw text whose top lies at `at`; align 0, 0.5 or 1 puts its left, middle or right there. Its width [px]."""
        image = font.render(text, True, color)
        surface.blit(image, (at[0] - round(align * image.get_width()), at[1]))
        return image.get_width()


def _center(box: Box) -> tuple[int, int]:
    return box.x + box.w // 2, box.y + box.h // 2
