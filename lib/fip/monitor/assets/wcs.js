// The SIN projection of FIP's images, as lib/fip/fits/sky.py has it: pixels count from 0, angles are radians.

/** Longitude and latitude of a pixel; null beyond the horizon. */
export function directionAt(grid, x, y) {
  const east = (grid.width / 2 - x) * grid.scale, north = (y - grid.height / 2) * grid.scale;
  const beyond = 1 - east * east - north * north;
  if (!(beyond > 0)) return null;
  const towards = Math.sqrt(beyond), sin = Math.sin(grid.latitude), cos = Math.cos(grid.latitude);
  const longitude = grid.longitude + Math.atan2(east, towards * cos - north * sin), turn = 2 * Math.PI;
  return [((longitude % turn) + turn) % turn, Math.asin(north * cos + towards * sin)];
}
