export { defineConfig, type ProjectConfigInput } from "./config.ts";
