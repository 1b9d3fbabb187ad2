"""All pages and the navigation: one row a page."""

from dashboards.pages import (
    campaign,
    campaign_images,
    campaign_new,
    campaigns,
    comparison,
    failure_mode,
    failure_modes,
    hazards,
    model,
    models,
    overview,
    privacy,
    rollouts,
)
from dashboards.pages.fleet import camera, cameras, site, sites
from dashboards.pages.settings import tabs
from dashboards.shell import Navigation, NavigationEntry, PageEntry

PAGES = (
    PageEntry("/", overview.page),
    PageEntry("/hazards", hazards.page),
    PageEntry("/hazards/{site}/{event}", hazards.detail),
    PageEntry("/sites", sites.page),
    PageEntry("/sites/{site}", site.page),
    PageEntry("/cameras", cameras.page),
    PageEntry("/cameras/{site}/{camera}", camera.page),
    PageEntry("/failure-modes", failure_modes.page),
    PageEntry("/failure-modes/{mode}", failure_mode.page),
    PageEntry("/campaigns", campaigns.page),
    PageEntry("/campaigns/new", campaign_new.page),
    PageEntry("/campaigns/{campaign}", campaign.page),
    PageEntry("/campaigns/{campaign}/images", campaign_images.page),
    PageEntry("/campaigns/{campaign}/comparison", comparison.page),
    PageEntry("/models", models.page),
    PageEntry("/models/{digest}", model.page),
    PageEntry("/rollouts", rollouts.page),
    PageEntry("/rollouts/{rollout}", rollouts.detail),
    PageEntry("/privacy", privacy.page),
    PageEntry("/settings", tabs.page),
    PageEntry("/settings/{tab}", tabs.page),
)
NAVIGATION: Navigation = {
    "Watch": (
        NavigationEntry("", "Overview", "dashboard"),
        NavigationEntry("hazards", "Hazards", "warning_amber"),
        NavigationEntry("sites", "Sites", "dns"),
        NavigationEntry("cameras", "Cameras", "videocam"),
    ),
    "Learn": (
        NavigationEntry("failure-modes", "Failure modes", "visibility_off"),
        NavigationEntry("campaigns", "Campaigns", "model_training"),
        NavigationEntry("models", "Models", "account_tree"),
        NavigationEntry("rollouts", "Rollouts", "rocket_launch"),
    ),
    "Trust": (
        NavigationEntry("privacy", "Privacy ledger", "verified_user"),
        NavigationEntry("settings", "Settings", "settings"),
    ),
}
