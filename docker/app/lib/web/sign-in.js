// The page where people sign in, which says how their password is kept.
import { html } from 'hono/html';
import { page } from './page.js';

export function signInPage(context, { address = '', next = '', problem } = {}) {
  return page(
    context,
    { title: 'Sign in' },
    html`<form class="sign-in" method="post" action="/sign-in">
<h1>Sign in</h1>
${problem && html`<p class="problem" id="problem" role="alert">${problem}</p>`}
<input type="hidden" name="next" value="${next}">
<label for="address">Mail address</label>
<input id="address" name="address" type="email" autocomplete="username" required value="${address}" ${described(problem)}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required ${described(problem)}>
<button class="button">Sign in</button>
<p class="hint">Your password is the key of your mailbox and is not stored on this server: your browser keeps it, encrypted so that
only this server can read it, in a cookie that ends when you sign out, close the browser, or are away for 8 hours.</p>
</form>`,
  );
}

const described = (problem) => problem && html`aria-invalid="true" aria-describedby="problem"`;
