"""The lineage of a model as a drawing: from the sites that run it back to the misdetections. Pure.

Each failure mode has a lane of its own: misdetections, order, prompts, images, labelled set. All lanes lead
to the campaign, which leads to the release and to the sites.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from dashboards import phrases
from dashboards.learning.gallery import thumbnail_address
from dashboards.learning.mode_names import campaign_state, mode_text
from dashboards.markup import Child, Html, element, image, join
from dashboards.scope import Scope
from messaging.api.lineage import LineageImage, LineageMode, LineageOrder, LineageResource

IMAGES_READ = 60
_IMAGES_SHOWN = 4
_PROMPTS_SHOWN = 3


def lineage_markup(found: LineageResource, scope: Scope) -> Html:
    """The chain of sites, releases and campaign, then a lane for each failure mode."""
    chain = element(
        "div", _sites(found, scope), _releases(found, scope), _campaign(found, scope), cls="chain"
    )
    lanes = element("div", *(_lane(mode, found, scope) for mode in found.failure_modes), cls="lanes")
    notes = element("p", "; ".join(found.notes), cls="rest") if found.notes else None
    return join(chain, lanes, notes)


def export_markup(digest: str) -> Html:
    """The link to the whole lineage as one file, from this page's own server."""
    address = f"/lineages/{digest}.json"
    link = element(
        "a", "Download the whole lineage as JSON", href=address, download=f"lineage-{digest[:12]}.json"
    )
    return element("p", link, cls="pages")


def _step(title: str, *content: Child) -> Html:
    return element("div", element("h3", title), *content, cls="step")


def _sites(found: LineageResource, scope: Scope) -> Html:
    if not found.sites:
        return _step("Sites", element("p", "no site runs it"))
    links = (element("li", element("a", site, href=scope.link("sites", site))) for site in found.sites)
    return _step("Sites", element("ul", *links))


def _releases(found: LineageResource, scope: Scope) -> Html:
    lines = []
    for place, one in enumerate(found.parents):
        name = element(
            "a", phrases.short(one.digest), href=scope.link("models", one.digest), title=one.digest
        )
        what = "release" if place == 0 else "parent"
        lines.append(element("li", f"{what} ", name, f", version {one.version}, {one.name}"))
    rollouts = [
        element("li", "rollout ", element("a", one, href=scope.link("rollouts", one)))
        for one in found.rollouts
    ]
    return _step("Releases", element("ul", *lines, *rollouts))


def _campaign(found: LineageResource, scope: Scope) -> Html:
    made = found.campaign
    if made is None:
        return _step("Campaign", element("p", "none made it"))
    link = element("a", made.id, href=scope.link("campaigns", made.id))
    trained = found.trained_on or {}
    rows = [
        element("li", link, " ", campaign_state(made.state)),
        element("li", f"started by {made.started_by}"),
        element("li", f"{found.images_kept:,} generated images kept"),
        *(
            element("li", f"{one.get('role', 'set')}: {one.get('name', '')}, {one.get('images', 0):,} images")
            for one in trained.get("sets", ())
        ),
    ]
    return _step("Campaign and training data", element("ul", *rows))


def _lane(mode: LineageMode, found: LineageResource, scope: Scope) -> Html:
    orders = [one for one in found.orders if one.mode == mode.id]
    images = [one for one in found.images if one.mode == mode.id]
    title = element("a", mode_text(mode.id), href=scope.link("failure-modes", mode.id))
    steps = (
        _set(orders),
        _images(images, found),
        _prompts(images),
        _order(orders),
        _misdetections(mode, scope),
    )
    return element("section", element("h3", title), element("div", *steps, cls="chain"), cls="lane")


def _set(orders: Sequence[LineageOrder]) -> Html:
    lines = (
        element(
            "li",
            element("code", phrases.short(one.set_digest), title=one.set_digest),
            f" {one.images or 0:,} images",
        )
        for one in orders
        if one.set_digest
    )
    return _step("Labelled set", element("ul", *lines) if any(o.set_digest for o in orders) else "none yet")


def _images(images: Sequence[LineageImage], found: LineageResource) -> Html:
    if not images or found.campaign is None:
        return _step("Images", "none among the first that were read" if found.images else "none")
    shown = (
        element("figure", image(thumbnail_address(found.campaign.id, one.id), f"generated image {one.name}"))
        for one in images[:_IMAGES_SHOWN]
    )
    out = sum(one.left_out for one in images)
    rest = f"{out} left out of the training" if out else None
    return _step(
        "Images", element("div", *shown, cls="thumbnails"), element("p", rest, cls="rest") if rest else None
    )


def _prompts(images: Sequence[LineageImage]) -> Html:
    if not images:
        return _step("Prompts", "none")
    prompts = Counter(hazard.prompt for one in images for hazard in one.hazards)
    lines = (element("li", element("q", text)) for text, _ in prompts.most_common(_PROMPTS_SHOWN))
    more = len(prompts) - _PROMPTS_SHOWN
    return _step(
        "Prompts", element("ul", *lines), element("p", f"and {more} more", cls="rest") if more > 0 else None
    )


def _order(orders: Sequence[LineageOrder]) -> Html:
    def lines() -> Iterator[Html]:
        for one in orders:
            prototype = "with a prototype of the fleet" if one.prototype_used else "without a prototype"
            yield element(
                "li", element("code", one.order), f": {one.count:,} images, seed {one.seed}, {prototype}"
            )

    return _step("Order", element("ul", *lines()) if orders else "none")


def _misdetections(mode: LineageMode, scope: Scope) -> Html:
    sources = (element("li", f"{phrases.readable(name)} {n:,}") for name, n in mode.sources.items())
    sites = [element("a", site, href=scope.link("sites", site)) for site in mode.sites]
    where: list[Child] = []
    for site in sites:
        where += [", " if where else " at ", site]
    text = element("p", f"{mode.misdetections:,} {phrases.readable(mode.kind)}", *where)
    return _step("Misdetections", text, element("ul", *sources))
