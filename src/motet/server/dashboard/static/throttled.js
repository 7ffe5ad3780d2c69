// Not more often than it makes sense.

/** `work`, begun at once, and then at most every so many milliseconds however often it is asked for, never twice at once. */
export function throttled(milliseconds, work) {
  let busy = false;
  let again = false;
  const run = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      await work();
    } catch (error) {
      if (error.name !== "AbortError") console.warn(error.message);
    }
    setTimeout(() => {
      busy = false;
      if (again) {
        again = false;
        run();
      }
    }, milliseconds);
  };
  return run;
}

/** `work`, once nothing has asked for it for so many milliseconds. */
export function debounced(milliseconds, work) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), milliseconds);
  };
}
