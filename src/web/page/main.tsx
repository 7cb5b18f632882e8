/** The page that `receiptd http` serves at /: how a ledger is, read-only. Everything on it is the host's word, and it says so. */
import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Anchors } from "./anchors.tsx";
import { Server } from "./api.ts";
import { Coverage } from "./coverage.tsx";
import { KeyHistory } from "./keys.tsx";
import { useLive } from "./live.ts";
import { Choice, Text } from "./parts.tsx";
import { Receipts } from "./receipts.tsx";
import { Speed } from "./speed.tsx";
import { useTheme } from "./theme.ts";
import { Summary } from "./summary.tsx";
import { useAccess } from "./access.ts";

const SECTIONS = [["anchors", "Anchors"], ["coverage", "Coverage"], ["speed", "Speed"], ["receipts", "Receipts"], ["keys", "Keys"]] as const;

function Page() {
  const server = useMemo(() => new Server(), []);
  const live = useLive(server);
  const access = useAccess(server);
  const [theme, setTheme, isDark] = useTheme();
  const [isPrinting, setPrinting] = useState(false);
  useEffect(() => {
    const [before, after] = [() => setPrinting(true), () => setPrinting(false)];
    window.addEventListener("beforeprint", before);
    window.addEventListener("afterprint", after);
    return () => {
      window.removeEventListener("beforeprint", before);
      window.removeEventListener("afterprint", after);
    };
  }, []);
  const { overview } = live;
  return (
    <>
      <a class="skip" href="#summary">Skip to the verdict</a>
      <header class="top">
        <div class="name">
          <p class="brand">receiptd</p>
          <h1>{overview === null ? "Receipt ledger" : <Text>{overview.ledger}</Text>}</h1>
        </div>
        <Choice label="Colours" of={{ auto: "Auto", light: "Light", dark: "Dark" }} value={theme} onChange={setTheme} />
      </header>
      <main>
        <Summary live={live} />
        <nav aria-label="Sections" class="sections"><ul>{SECTIONS.map(([id, title]) => <li key={id}><a href={`#${id}`}>{title}</a></li>)}</ul></nav>
        <Anchors server={server} live={live} />
        <Coverage live={live} access={access} />
        <Speed server={server} live={live} isDark={isDark && !isPrinting} />
        <Receipts server={server} live={live} access={access} />
        <KeyHistory server={server} />
      </main>
      <footer class="bottom">
        <p>{overview === null ? null : <>Ledger <Text>{overview.ledger_id}</Text>. </>}All times are UTC. The same as JSON: <a href="/v1/openapi.json">/v1/openapi.json</a></p>
      </footer>
    </>
  );
}

render(<Page />, document.getElementById("page")!);
