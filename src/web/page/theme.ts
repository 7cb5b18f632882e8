/** Light or dark: as the system wants it, until somebody chooses. */
import { useEffect, useState } from "preact/hooks";

export type Theme = "auto" | "light" | "dark";

const NAME = "receiptd-colours";

function kept(): Theme {
  try {
    const value = localStorage.getItem(NAME);
    return value === "light" || value === "dark" ? value : "auto";
  } catch {
    return "auto"; // storage is turned off
  }
}

export function useTheme(): readonly [Theme, (theme: Theme) => void, isDark: boolean] {
  const [theme, setTheme] = useState(kept);
  const query = matchMedia("(prefers-color-scheme: dark)");
  const [isSystemDark, setSystemDark] = useState(query.matches);
  useEffect(() => {
    const change = (): void => setSystemDark(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
  }, [theme]);
  const choose = (next: Theme): void => {
    setTheme(next);
    try {
      if (next === "auto") localStorage.removeItem(NAME);
      else localStorage.setItem(NAME, next);
    } catch {
      // it is the choice of this tab then
    }
  };
  return [theme, choose, theme === "dark" || (theme === "auto" && isSystemDark)];
}
