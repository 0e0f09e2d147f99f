// The headers with which a part of a mail goes out as a file, to be saved and never shown. Whoever sent the mail has chosen
// its name and its type.
export function fileHeaders(name, type) {
  return {
    'Content-Type': /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : 'application/octet-stream',
    'Content-Disposition': `attachment; filename*=UTF-8''${attributeChars(name)}`,
  };
}

// RFC 8187 3.2.1
function attributeChars(name) {
  const escape = (mark) => `%${mark.charCodeAt(0).toString(16)}`;
  return encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, escape);
}
