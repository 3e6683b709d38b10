// Charts: a line below says what is under the pointer.
for (const chart of document.querySelectorAll("svg.chart")) {
  const says = document.createElement("p");
  says.className = "says";
  says.innerHTML = "&nbsp;";
  chart.parentElement.append(says);
  chart.addEventListener("pointerover", (event) => {
    if (event.target.dataset.says) says.textContent = event.target.dataset.says;
  });
}
