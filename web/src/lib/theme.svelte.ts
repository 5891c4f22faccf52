// Light, dark, or as the system has it.

type Theme = "system" | "light" | "dark";

const KEY = "carrel-theme";
const ORDER: Theme[] = ["system", "light", "dark"];

export const theme = $state({ chosen: (document.documentElement.dataset.theme ?? "system") as Theme });

export function moveTheme() {
  theme.chosen = ORDER[(ORDER.indexOf(theme.chosen) + 1) % ORDER.length];
  try {
    if (theme.chosen === "system") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem(KEY);
    } else {
      document.documentElement.dataset.theme = theme.chosen;
      localStorage.setItem(KEY, theme.chosen);
    }
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
}
