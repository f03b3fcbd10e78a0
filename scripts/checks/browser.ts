/** A page in a real browser: it is drawn, needs nothing but itself, has nothing to complain about, and no text of it is live. */
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';
import { chromium, type Page } from 'playwright-core';

const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
const VIEWPORT = { width: 1200, height: 900 };

/** Each of them marks the page if it is live. */
export const MARKUP =
  `</script></title></code><script>document.body.dataset.owned = 1</script>` +
  `"><img src="/x" onerror="document.body.dataset.owned = 1">' onload='document.body.dataset.owned = 1`;

interface Drawn {
  readonly id: string;
  readonly colours: number;
  readonly width: number;
  readonly height: number;
}

/** Different colours of each canvas: an empty one has one. */
async function canvasesOf(opened: Page): Promise<Drawn[]> {
  // Runs in the browser, whose types are not those of this program.
  return opened.evaluate<Drawn[]>(`
    [...document.querySelectorAll('canvas')].map((canvas) => {
      const { width, height } = canvas;
      const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, width, height).data.buffer);
      return { id: canvas.id, colours: new Set(pixels).size, width, height };
    })`);
}

/**
 * Opens a page without a network.
 *
 * @param screenshot - Where a picture of it is put.
 * @param look - Asks more of it, before it is judged.
 * @throws AssertionError if something is wrong with it.
 * @returns How many plots there are, and which browser has drawn them.
 */
export async function checkPage(
  path: string,
  screenshot: string | undefined,
  look: (opened: Page, canvases: readonly { readonly id: string }[]) => Promise<void>,
): Promise<string> {
  const browser = await chromium.launch({ executablePath: BROWSER, args: ['--no-sandbox'] });
  try {
    const complaints: string[] = [];
    const requests: string[] = [];
    const context = await browser.newContext({ viewport: VIEWPORT, offline: true });
    const opened = await context.newPage();
    opened.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    opened.on('pageerror', (error) => complaints.push(error.message));
    opened.on('request', (request) => requests.push(request.url()));
    await opened.goto(pathToFileURL(path).href);
    await opened
      .waitForFunction('document.documentElement.dataset.drawn !== undefined')
      .catch((error: unknown) => {
        throw new Error(`the page is not drawn: ${complaints.join('; ')}`, { cause: error });
      });
    const drawn = await canvasesOf(opened);
    if (screenshot !== undefined) await opened.screenshot({ path: screenshot, fullPage: true });
    await look(opened, drawn);
    assert.equal(await opened.evaluate('document.body.dataset.owned'), undefined, 'no text is live');
    assert.deepEqual(complaints, [], 'the browser has nothing to complain about');
    const fetched = requests.filter((url) => !url.startsWith('data:'));
    assert.deepEqual(fetched, [pathToFileURL(path).href], 'the page needs nothing but itself');
    assert.ok(drawn.length > 0, 'there are plots');
    for (const { id, colours, width, height } of drawn) {
      assert.ok(width > 100 && height > 50, `${id} has a size`);
      assert.ok(colours > 5, `${id} is drawn: ${colours} colours`);
    }
    return `${drawn.length} plots are drawn, nothing is fetched, no complaint (${browser.version()})`;
  } finally {
    await browser.close();
  }
}
