/** What runs on the page of a history, after its libraries. */

/** Draws the plot; `data-drawn` on the page tells that it has, for whoever checks. */
export const HISTORY_SCRIPT = `
  const { lanes, sets, coverings, marks, whole, first } = JSON.parse(document.getElementById('history').textContent);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name);
  Chart.defaults.color = colour('--text');
  Chart.defaults.borderColor = colour('--line');
  const MOST_LINES = 400;
  const SHOWN_LABEL = 44;
  let hovered = new Set();

  function lines(chart) {
    const { ctx, chartArea: { left, right, top, bottom }, scales: { x, y } } = chart;
    const seen = coverings.filter(({ from, to }) => to[0] >= x.min && from[0] <= x.max);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, right - left, bottom - top);
    ctx.clip();
    for (const { sync, change, from, to } of seen) {
      const strong = hovered.has(sync) || hovered.has(change);
      if (!strong && seen.length > MOST_LINES) continue;
      ctx.strokeStyle = colour('--cover');
      ctx.globalAlpha = strong ? 1 : 0.35;
      ctx.lineWidth = strong ? 2 : 1;
      ctx.beginPath();
      const [x1, y1, x2, y2] = [from, to].flatMap(([ms, lane]) => [x.getPixelForValue(ms), y.getPixelForValue(lane)]);
      ctx.moveTo(x1, y1);
      ctx.quadraticCurveTo((x1 + x2) / 2, (y1 + y2) / 2 - 16, x2, y2);
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
    ctx.lineWidth = 2;
    for (const { ms, kind } of marks) {
      ctx.strokeStyle = colour('--crash');
      ctx.setLineDash(kind === 'kill' ? [5, 4] : []);
      ctx.beginPath();
      ctx.moveTo(x.getPixelForValue(ms), top);
      ctx.lineTo(x.getPixelForValue(ms), bottom);
      ctx.stroke();
    }
    ctx.restore();
  }

  const chart = new Chart(document.getElementById('plot'), {
    type: 'bar',
    data: {
      labels: lanes.map((_, index) => index),
      datasets: sets.map((set) => ({ ...set, grouped: false, minBarLength: 3, barPercentage: 0.9, categoryPercentage: 0.9 })),
    },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      indexAxis: 'y',
      interaction: { mode: 'nearest', intersect: true },
      onHover(_event, elements, { data }) {
        const ids = new Set(elements.map(({ datasetIndex, index }) => data.datasets[datasetIndex].data[index].id));
        if (ids.size === hovered.size && [...ids].every((id) => hovered.has(id))) return;
        hovered = ids;
        this.draw();
      },
      scales: {
        x: { type: 'linear', position: 'top', min: first[0], max: first[1], title: { display: true, text: 'milliseconds of virtual time' } },
        y: {
          ticks: {
            autoSkip: false,
            callback(_value, index) {
              const label = lanes[index];
              return label.length > SHOWN_LABEL ? '\\u2026' + label.slice(1 - SHOWN_LABEL) : label;
            },
          },
          grid: { display: false },
        },
      },
      plugins: {
        tooltip: {
          callbacks: {
            title: () => '',
            label: ({ raw }) => raw.tip.flatMap((line) => line.match(/.{1,90}/gs)),
          },
        },
        zoom: {
          limits: { x: { min: whole[0], max: whole[1] } },
          pan: { enabled: true, mode: 'x' },
          zoom: { wheel: { enabled: true, modifierKey: 'ctrl' }, pinch: { enabled: true }, mode: 'x' },
        },
      },
    },
    plugins: [{ id: 'lines', afterDatasetsDraw: lines }],
  });

  const views = {
    whole: () => chart.zoomScale('x', { min: whole[0], max: whole[1] }, 'none'),
    closer: () => chart.zoom({ x: 1.6 }, 'none'),
    wider: () => chart.zoom({ x: 0.625 }, 'none'),
  };
  for (const button of document.querySelectorAll('button')) {
    button.addEventListener('click', () => {
      const { view, from, to } = button.dataset;
      if (view === undefined) chart.zoomScale('x', { min: Number(from), max: Number(to) }, 'none');
      else views[view]();
    });
  }
  document.documentElement.dataset.drawn = String(chart.getSortedVisibleDatasetMetas().length);
`;
