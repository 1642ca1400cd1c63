// Pictures are asked for when they come into sight, and a few at a time: a browser asks one program six things at once,
// and what a person says is not to wait behind pictures.

const MOST = 4,
  AHEAD = "50%"; // of the window's height, above and below

const addresses = new WeakMap(),
  waiting = new Set(),
  loading = new Set();

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) waiting.add(target);
      else waiting.delete(target); // it was scrolled past
    }
    next();
  },
  { rootMargin: `${AHEAD} 0px` },
);

function next() {
  for (const image of waiting) {
    if (loading.size >= MOST) return;
    waiting.delete(image);
    watcher.unobserve(image);
    if (!image.isConnected) continue;
    loading.add(image);
    image.src = addresses.get(image);
  }
}

function over({ target }) {
  if (loading.delete(target)) next();
}

// Show the picture of an address in an image, once that is seen.
export function show(image, address) {
  addresses.set(image, address);
  image.addEventListener("load", over);
  image.addEventListener("error", over);
  watcher.observe(image);
}

// Others come in their place.
export function stop() {
  watcher.disconnect();
  waiting.clear();
  for (const image of loading) image.removeAttribute("src");
  loading.clear();
}
