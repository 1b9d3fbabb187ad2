"""The gallery of a campaign: filters, boxes, views side by side, and what people make of the images.

Keys: arrows select, Enter opens, `a` accepts, `r` rejects, `u` takes either back.
"""

from dataclasses import replace
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments, KeyEventArguments

from dashboards.components.section import Markup, card, heading
from dashboards.learning.gallery import (
    SHOWN,
    VERDICTS,
    GalleryChoice,
    duplicate_groups,
    filters_markup,
    grid,
    pages_markup,
    whole_image,
)
from dashboards.markup import element
from dashboards.page_view import PageView
from messaging.access_resources import UserRole
from messaging.api.gallery import GalleryImage, ImageReviewRequest, ImageReviewResource
from messaging.resources import CampaignResource

REFRESH_S = 5.0
_IMAGE_OF_CLICK = (
    "(e) => { const b = e.target.closest('[data-image]'); if (b) emit(Number(b.dataset.image)); }"
)
BUTTONS = (("a", "Accept"), ("r", "Reject"), ("u", "Undo"))
DONE = {"a": "The image is accepted.", "r": "The image is rejected.", "u": "The review is taken back."}


async def page(view: PageView) -> None:
    """The gallery of one campaign."""
    name = view.parameters["campaign"]
    heading("Generated images", f"campaign {name}")
    _Gallery(view, name).build()


class _Gallery:
    """The images of one page of the list, and which of them is selected."""

    def __init__(self, view: PageView, campaign: str) -> None:
        self._view, self._campaign = view, campaign
        self._choice = GalleryChoice.of_query(view.query)
        self._images: tuple[GalleryImage, ...] = ()
        self._selected: int | None = None

    def build(self) -> None:
        """Make the elements; the list is read at once and again while the page is open."""
        keys = "arrows select, Enter opens, a accepts, r rejects, u takes back"
        with card("Images", name="gallery", aside=keys if self._may_review else "arrows select, Enter opens"):
            with ui.row().classes("inputs"):
                self._filters = Markup()
                ui.switch("Boxes", value=self._choice.boxes, on_change=self._boxes)
            with ui.element("div").on("click", self._clicked, js_handler=_IMAGE_OF_CLICK):
                self._grid = Markup()
            self._pages = Markup()
        with ui.dialog() as self._dialog, ui.card().classes("whole-image").props("id=whole-image"):
            self._dialog.props('aria-label="Generated image"')
            self._whole = Markup()
            with ui.row().classes("actions"):
                for key, text in BUTTONS if self._may_review else ():
                    ui.button(text, on_click=lambda key=key: self._review(key)).props("outline no-caps")
                ui.button("Close", on_click=self._dialog.close).props("flat no-caps")
        ui.keyboard(self._key, ignore=["input", "select", "textarea"])  # the images are buttons
        self._read_again = self._view.live(self._refresh, every_s=REFRESH_S)

    @property
    def _may_review(self) -> bool:
        return self._view.may(UserRole.TRAINER)

    async def _refresh(self) -> None:
        path = f"campaigns/{self._campaign}"
        campaign = await self._view.get(path, CampaignResource)
        found = await self._view.page(f"{path}/images", GalleryImage, limit=SHOWN, **self._choice.filters())
        self._images = found.items
        self._filters.show(filters_markup(campaign, self._choice, self._view.scope, found.items))
        self._pages.show(pages_markup(self._campaign, self._choice, found.next, self._view.scope))
        self._show()

    def _show(self) -> None:
        tiles = duplicate_groups if self._choice.duplicates else grid
        self._grid.show(tiles(self._images, self._campaign, self._selected, boxes=self._choice.boxes))
        one = self._present()
        if one is None:
            self._whole.show(element("p", "No image is selected.", cls="empty"))
        else:
            self._whole.show(whole_image(one, self._campaign, boxes=self._choice.boxes))

    def _present(self) -> GalleryImage | None:
        return next((one for one in self._images if one.id == self._selected), None)

    def _boxes(self, event: Any) -> None:
        self._choice = replace(self._choice, boxes=bool(event.value))
        place = ("campaigns", self._campaign, "images")
        self._view.remember(*place, **self._choice.query())
        self._show()

    def _clicked(self, event: GenericEventArguments) -> None:
        self._selected = int(event.args)
        self._show()
        self._dialog.open()

    async def _key(self, event: KeyEventArguments) -> None:
        if not event.action.keydown or event.modifiers.ctrl or event.modifiers.alt or event.modifiers.meta:
            return
        if event.key.arrow_left or event.key.arrow_right:
            self._step(1 if event.key.arrow_right else -1)
        elif event.key.enter and self._present() is not None:
            self._dialog.open()
        elif event.key.name in VERDICTS and self._may_review:
            await self._review(str(event.key.name))

    def _step(self, by: int) -> None:
        ids = [one.id for one in self._images]
        if not ids:
            return
        place = ids.index(self._selected) + by if self._selected in ids else 0
        self._selected = ids[min(max(place, 0), len(ids) - 1)]
        self._show()

    async def _review(self, key: str) -> None:
        one = self._present()
        if one is None:
            return
        path = f"campaigns/{self._campaign}/images/{one.id}/review"
        body = ImageReviewRequest(verdict=VERDICTS[key])  # type: ignore[arg-type]  # one of the verdicts
        client = self._view.viewer.client
        await self._view.act(lambda: client.send("PUT", path, ImageReviewResource, body), DONE[key])
        await self._read_again()
