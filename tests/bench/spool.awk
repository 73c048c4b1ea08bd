# Draws documents a second by the number of workers: lines of NAME WORKERS SECONDS-A-DOCUMENT; WORKERS is 0 for what has no workers.
{
  rate = 1 / $3
  if (rate > top) top = rate
  if (!($1 in seen)) { seen[$1] = ++names; name[names] = $1 }
  value[$1, $2] = rate
}
function x(i) { return 70 + (counts > 1 ? (i - 1) * 420 / (counts - 1) : 210) }
function y(rate) { return 340 - rate * 310 / top }
function text(at_x, at_y, anchor, fill, what) {
  printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", at_x, at_y, anchor, fill, what
}
END {
  counts = split(workers, count, " ")
  split("#1b7837 #2166ac #c2410c #7b3294 #b2182b #555555 #d4a017", color, " ")
  step = 10 ^ int(log(top) / log(10))
  if (top / step < 2) step /= 5
  else if (top / step < 5) step /= 2
  top = (int(top / step) + 1) * step
  print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"400\" font-family=\"sans-serif\" font-size=\"13\">"
  print "<rect width=\"760\" height=\"400\" fill=\"white\"/>"
  for (rate = 0; rate <= top; rate += step) {
    printf "<line x1=\"70\" x2=\"490\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", y(rate), y(rate)
    text(62, y(rate) + 4, "end", "black", rate)
  }
  for (i = 1; i <= counts; i++) text(x(i), 360, "middle", "black", count[i])
  text(280, 386, "middle", "black", "workers")
  text(70, 18, "start", "black", "documents a second")
  for (n = 1; n <= names; n++) {
    points = ""
    for (i = 1; i <= counts; i++)
      if ((name[n], count[i]) in value) {
        points = points sprintf("%.1f,%.1f ", x(i), y(value[name[n], count[i]]))
        printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", x(i), y(value[name[n], count[i]]), color[n]
      }
    dashes = ""
    if ((name[n], 0) in value) {
      points = sprintf("70,%.1f 490,%.1f", y(value[name[n], 0]), y(value[name[n], 0]))
      dashes = " stroke-dasharray=\"6 4\""
    }
    printf "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s/>\n", points, color[n], dashes
    printf "<line x1=\"510\" x2=\"535\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\"%s/>\n", 20 + n * 22, 20 + n * 22, color[n], dashes
    label = name[n]
    if (label == "postgresql") label = "agent-spool, PostgreSQL"
    if (label == "folder") label = "agent-spool, folder"
    if (label == "bare") label = "bare pipeline"
    sub(/-job$/, ", one job", label)
    sub(/-steps$/, ", a job a request", label)
    text(542, 24 + n * 22, "start", "black", label)
  }
  print "</svg>"
}
