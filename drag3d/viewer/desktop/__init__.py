"""The desktop window: Qt widgets around PyVista's picture."""
