/*
 * A stand-in for TradingView's Charting Library: it calls a datafeed in the order and in the way its documentation
 * describes, changes what it is given as the library does, and reports what it saw.
 */
async (address) => {
  const { Datafeed } = await import(`${address}datafeed.js`);
  const saw = { early: 0, pages: [], ticks: [], resets: 0, errors: [] };
  const feed = new Datafeed(address, { every: 500 });
  const called = (start) =>
    new Promise((resolve) => {
      let under_way = true;
      start((...answer) => {
        if (under_way) saw.early += 1;
        resolve(answer);
      });
      under_way = false;
    });

  const [configuration] = await called((answer) => feed.onReady(answer));
  saw.resolutions = configuration.supported_resolutions;
  const [found] = await called((answer) => feed.searchSymbols("BTC", "", "", answer));
  saw.found = found.map((one) => one.symbol);
  const [unknown] = await called((answer) => feed.resolveSymbol("NOPE", () => answer("?"), answer));
  saw.unknown = unknown;
  const [symbol] = await called((answer) => feed.resolveSymbol("BTC-USD", answer, (reason) => saw.errors.push(reason)));

  const page = async (from, to, countBack, firstDataRequest) => {
    const period = { from, to, countBack, firstDataRequest };
    const [bars, { noData }] = await called((answer) =>
      feed.getBars(symbol, "1", period, answer, (reason) => saw.errors.push(reason)),
    );
    saw.pages.push({ count: bars.length, first: bars[0]?.time, last: bars.at(-1)?.time, noData });
    for (const bar of bars) bar.close = null;
    return bars;
  };
  const now = Math.floor(Date.now() / 1000);
  const latest = await page(now - 300 * 60, now, 329, true);
  await page(latest[0].time / 1000 - 300 * 60, latest[0].time / 1000, 300, false);
  await page(1704067200 - 86400, 1704067200, 10, false);

  feed.subscribeBars(symbol, "1", (bar) => saw.ticks.push(bar.time), "uid", () => (saw.resets += 1));
  window.saw = saw;
  window.feed = feed;
};
