// Saves the visitor a click; without a script the button does the same.
document.getElementById("hand-off").submit();
