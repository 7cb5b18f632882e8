/** The token, typed in. It is sent to this server in a header, and is in no URL. */
import { useState } from "preact/hooks";
import { count } from "../../format/count.ts";
import type { Access } from "./access.ts";

export function TokenForm({ access }: { readonly access: Access }) {
  const [token, setToken] = useState("");
  const [isKept, setKept] = useState(false);
  const { hasToken, organizations, problem } = access;
  if (hasToken) {
    return (
      <div class="token" id="token">
        <p role="status">{problem !== null ? `The token was taken, but: ${problem}.` : organizations === null ? "Asking what the token is for…" : `A token is in use, for ${count(organizations.length, "organization")}. ${access.isKept ? "This tab keeps it until it is closed." : "It is gone when this page is left."}`}</p>
        <button type="button" onClick={() => access.forget()}>Forget the token</button>
      </div>
    );
  }
  const submit = (event: Event): void => {
    event.preventDefault();
    if (token.trim() === "") return;
    setToken("");
    void access.use(token.trim(), isKept);
  };
  return (
    <form class="token" id="token" aria-label="Token" onSubmit={submit}>
      <div class="grow"><label for="token-text">Token, from <code>receiptd token create</code></label>
        <div class="row"><input id="token-text" type="password" value={token} onInput={(event) => setToken(event.currentTarget.value)} spellcheck={false} autocomplete="off" /><button type="submit">Use it</button></div>
        <label class="check"><input type="checkbox" checked={isKept} onChange={(event) => setKept(event.currentTarget.checked)} /> Keep it in this tab until the tab is closed</label>
        <p role="status" class="problem">{problem === null ? "" : `The token is not taken: ${problem}.`}</p></div>
    </form>
  );
}
