// The HTML of a mail, as a document of its own for a sandboxed frame. The browser keeps it in: the policy allows no script,
// form or request. What no policy covers is taken out of the text, where it can be told exactly: a tag is only what the
// text spells `<name`, and of two attributes of a name the first counts (HTML 13.2.5.6, 13.2.5.33).
import PostalMime from 'postal-mime';

// Preconnect and dns-prefetch; refresh; where links lead; frames, to whose servers Chromium connects before it refuses them.
const DISARMED = /<(\/?)(?=(?:link|meta|base|i?frame|frameset|object|embed|fencedframe)\b)/gi;
const LEADS = /<(a|area)(?=[\s/])/gi;
const LOADS = /<(img|image|video|source)(?=[\s/])/gi;
const INSIDE = /(\bsrc\s*=\s*["']?|\bbackground\s*=\s*["']?|\burl\(\s*["']?)cid:([^"'\s)>]+)/gi;
const REMOTE = /\b(?:src|srcset|background|poster|href)\s*=[\s"']*(?:https?:)?\/\/|url\([\s"']*(?:https?:)?\/\//i;

const PICTURE = /^image\/[\w.+-]+$/;

const LOOK = `html { background: #fff; color: #14171f; color-scheme: light; }
body { margin: 16px; font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; }`;

export const policy = (remote) =>
  [
    'sandbox allow-popups allow-popups-to-escape-sandbox',
    "default-src 'none'",
    `img-src data:${remote ? ' http: https:' : ''}`,
    "style-src 'unsafe-inline'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'self'",
  ].join('; ');

// Pictures that came with the mail are put in place; the frame may not ask for them.
export async function frame(source) {
  const { html = '', attachments } = await PostalMime.parse(source);
  const pictures = attachments.filter(({ contentId, mimeType }) => contentId && PICTURE.test(mimeType));
  const inside = new Map(pictures.map((part) => [part.contentId.replace(/^<|>$/g, ''), part]));
  const shown = html
    .replace(DISARMED, '<$1x-')
    .replace(LEADS, '<$1 target="_blank" rel="noreferrer noopener" referrerpolicy="no-referrer" ping=""')
    .replace(LOADS, '<$1 referrerpolicy="no-referrer"')
    .replace(INSIDE, (whole, before, cid) => {
      const part = inside.get(decoded(cid));
      return part ? `${before}data:${part.mimeType};base64,${Buffer.from(part.content).toString('base64')}` : whole;
    });
  return `<!doctype html><html lang="und"><head><meta charset="utf-8"><title>Mail</title><style>${LOOK}</style></head>
<body>${shown}</body></html>`;
}

// Whether the mail wants anything from elsewhere.
export const wantsRemote = ({ html }) => REMOTE.test(html);

function decoded(cid) {
  try {
    return decodeURIComponent(cid);
  } catch {
    return cid;
  }
}
