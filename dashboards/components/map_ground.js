// What lies under the places of a map: a scale bar always, and a drawn plan or a graticule.
(map, plan, graticule, attribution) => {
  if (!map) return;  // another page was opened meanwhile
  const ground = map.createPane("ground");
  ground.style.zIndex = 250;
  ground.style.pointerEvents = "none";
  L.control.scale({ imperial: false }).addTo(map);

  const steps = [30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005];
  const degrees = (value, step, [positive, negative]) => {
    const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const shown = Math.abs(value).toFixed(places);
    return shown + "°" + (Number(shown) === 0 ? "" : " " + (value > 0 ? positive : negative));
  };
  const drawGraticule = () => {
    const drawn = L.layerGroup().addTo(map);
    const line = (from, to) =>
      L.polyline([from, to], { pane: "ground", interactive: false, className: "map-graticule" }).addTo(drawn);
    const label = (place, text, anchor) => {
      const icon = L.divIcon({ className: "map-degrees", html: text, iconSize: [84, 16], iconAnchor: anchor });
      L.marker(place, { icon, pane: "ground", interactive: false, keyboard: false }).addTo(drawn);
    };
    const draw = () => {
      drawn.clearLayers();
      const pixels = (256 * 2 ** map.getZoom()) / 360;
      const step = steps.findLast((one) => one * pixels >= 90) ?? steps[0];
      const shown = map.getBounds(), wide = shown.pad(0.5), size = map.getSize();
      const south = Math.max(-85, wide.getSouth()), north = Math.min(85, wide.getNorth());
      for (let at = Math.ceil(wide.getWest() / step); at * step <= wide.getEast(); at += 1) {
        const longitude = at * step;
        line([south, longitude], [north, longitude]);
        const x = map.latLngToContainerPoint([shown.getCenter().lat, longitude]).x;
        if (x < 60 || x > size.x - 40) continue;
        const top = map.containerPointToLatLng([x, 0]);
        label(top, degrees(((longitude + 540) % 360) - 180, step, "EW"), [42, -2]);
      }
      for (let at = Math.ceil(south / step); at * step <= north; at += 1) {
        const latitude = at * step;
        line([latitude, wide.getWest()], [latitude, wide.getEast()]);
        const y = map.latLngToContainerPoint([latitude, shown.getCenter().lng]).y;
        if (y < 24 || y > size.y - 12) continue;
        label(map.containerPointToLatLng([size.x, y]), degrees(latitude, step, "NS"), [88, 17]);
      }
    };
    map.on("moveend", draw);
    draw();
  };
  const drawPlan = async () => {
    const answer = await fetch(plan);
    if (!answer.ok) return drawGraticule();
    const style = (shape) => ({ className: "plan-shape plan-" + shape.properties.kind });
    L.geoJSON(await answer.json(), { pane: "ground", interactive: false, style, attribution }).addTo(map);
  };
  if (plan) drawPlan();
  else if (graticule) drawGraticule();
}
