import { createHash } from 'node:crypto'

const style = `body{margin:0;min-height:100vh;display:grid;place-items:center;font:16px/1.5 system-ui,sans-serif;background:#131010;color:#f1ecec}
main{max-width:26rem;padding:2rem}
h1{font-size:1.25rem;margin:0 0 1rem}
button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:.4rem;background:#f1ecec;color:#131010;cursor:pointer}
button:disabled{opacity:.5}
code{overflow-wrap:anywhere}`

// The link's secret is behind the "#", which no browser sends: it is in no log and no link preview uses it up.
const script = `const button = document.querySelector('button')
const words = document.querySelector('p')
const { action } = document.body.dataset
const link = location.hash.slice(1)
history.replaceState(null, '', location.pathname)
if (action === 'sign-in' && link === '') button.remove()
else {
  button.hidden = false
  if (action === 'sign-in') words.textContent = 'This link is good once.'
}
button.addEventListener('click', async () => {
  button.disabled = true
  try {
    const response = await fetch('/' + action, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(action === 'sign-in' ? { link } : {}),
    })
    if (response.ok) return location.replace(action === 'sign-in' ? '/' : '/sign-in')
    words.textContent = (await response.json()).detail
    button.remove()
  } catch {
    words.textContent = 'The service does not answer. Try again.'
    button.disabled = false
  }
})`

const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Headers of {@link actionPage}: it may run its own script, call its own host, and nothing else. */
export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy': `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
}

/** What the pages for signing in and out say. */
const texts = {
  'sign-in': {
    title: 'Sign in to OpenCode',
    words:
      'Open the sign-in link that your administrator has sent you. It is made with <code>admin sign-in-link</code> and good for ten minutes.',
    button: 'Sign in',
  },
  'sign-out': {
    title: 'Sign out of OpenCode',
    words: 'Other browsers in which you are signed in stay so.',
    button: 'Sign out',
  },
} as const

/** A page with one button: opening it changes nothing, pressing the button does. */
export function actionPage(action: keyof typeof texts): string {
  const { title, words, button } = texts[action]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body data-action="${action}">
<main>
<h1>${title}</h1>
<p>${words}</p>
<button hidden>${button}</button>
</main>
<script>${script}</script>
</body>
</html>
`
}
