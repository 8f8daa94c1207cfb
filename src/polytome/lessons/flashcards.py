"""Flashcards: the field in questions and answers, to be learned with Anki.

Document 004 (three cards), and what the other lessons compute, for documents 000 to 003 and beyond
them. Method: one question, one answer, as in Wozniak, Effective learning: twenty rules of
formulating knowledge, 1999. Formulas: Murphy, Probabilistic Machine Learning: An Introduction,
2022, chapters 6 and 10; Cover and Thomas, Elements of Information Theory, 2006, chapters 2, 5 and
8.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from string import Template

import numpy as np
from scipy.stats import chi2

from polytome import numerics
from polytome.lessons.penalties import soft_threshold
from polytome.teaching.page import Flashcard, Page


def lesson(page: Page) -> None:
    """Fill the page."""
    how_to_use(page)
    for part in re.split(r"\n\n(?=\[|## )", Computed(CARDS).substitute(computed()).strip()):
        if part.startswith("## "):
            page.text(part)
        else:
            add_card(page, part)
    how_many(page)


class Computed(Template):
    """A text where `@name` stands for a computed value."""

    delimiter = "@"


def add_card(page: Page, text: str) -> None:
    """Add a card: tags in brackets and a question; below it, indented, the answer."""
    head, answer = text.split("\n    ", 1)
    tags, question = head.removeprefix("[").split("] ", 1)
    page.flashcard(reflowed(question), reflowed(answer), [f"polytome::{tag}" for tag in tags.split()])


def reflowed(text: str) -> str:
    """Paragraphs without the line breaks of the program."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def computed() -> dict[str, str]:
    """The values that the cards name."""
    steep, sure, wrong = 10.0, 40.0, 0.999
    sigmoid = numerics.sigmoid
    perfect = np.eye(10)[0]
    return {
        "log_two": f"{math.log(2):.4f}",
        "log_ten": f"{math.log(10):.4f}",
        "bits": f"{1 / math.log(2):.4f}",
        "half": f"{math.log(0.5):.3f}",
        "slope": f"{sigmoid(0.0) * sigmoid(-0.0):g}",
        "steep": f"{steep:g}",
        "of_squared": f"{2 * sigmoid(steep) * sigmoid(steep) * sigmoid(-steep):.6f}",
        "of_cross": f"{sigmoid(steep):.6f}",
        "perfect": f"{numerics.cross_entropy(perfect, numerics.softmax(perfect)):.4f}",
        "mixed": str((np.zeros(3) - np.zeros((3, 1))).shape),
        "double": f"{math.log(np.finfo(np.float64).max):.2f}",
        "single": f"{math.log(np.finfo(np.float32).max):.2f}",
        "sure": f"{sure:g}",
        "rounded": f"{sigmoid(sure):.1f}",
        "kept": f"{numerics.softplus(sure):.1f}",
        "most": f"{-math.log(1e-8):.2f}",
        "wrong": f"{wrong:g}",
        "rewarded": f"{math.log1p(-wrong):.2f}",
        "shrunk": f"{soft_threshold(0.8, 0.5):.1f}",
        "stopped": f"{soft_threshold(0.3, 0.5):g}",
        "drop": f"{chi2.ppf(0.95, 1) / 2:.2f}",
        "often": f"{1 - 0.95**20:.0%}",
        "punished": f"{-math.log1p(-wrong):.2f}",
    }


def how_to_use(page: Page) -> None:
    """What the cards are and how they get into Anki."""
    page.text(r"""
        Answer each card in your own words before you turn it. For daily practice write all of them to a file:
        `polytome lesson --flashcards cards.apkg`. Anki opens the file with a double click, and asks each card again
        when you are about to forget it. Importing a newer version later changes the answers and keeps what you have
        learned.

        Throughout, rows of $X$ are samples; $n$ counts them, $d$ counts features and $K$ classes; $z$ are scores,
        $\hat y$, $p$ and $S$ probabilities; logarithms are natural and losses in nats unless bits are named.
    """)


def how_many(page: Page) -> None:
    """The cards by their tags."""
    cards = [block for block in page.blocks if isinstance(block, Flashcard)]
    counts = Counter(tag for card in cards for tag in card.tags)
    page.text(f"""
        ## What there is

        There are {len(cards)} cards. Anki can ask those of a single tag; a card may have several tags.
    """)
    page.table(("tag", "cards"), sorted(counts.items()), "Cards by tag")


CARDS = r"""
## Two classes

[definition] What is the **sigmoid**?
    $$\sigma(z) = \frac{1}{1 + e^{-z}} = \frac{e^z}{1 + e^z}$$

[definition] What are the values of the sigmoid at $0$, far to the right and far to the left?
    $\sigma(0) = \frac{1}{2}$; the limits are 1 and 0. For finite $z$ it lies strictly between them, although a float
    may round to them.

[identity] $1 - \sigma(z)$ is the sigmoid of what?
    Of $-z$:

    $$1 - \sigma(z) = \sigma(-z) = \frac{1}{1 + e^z}$$

[definition] What is the inverse of the sigmoid, and what is it called?
    The **logit**, the logarithm of the odds:

    $$z = \log \frac{p}{1 - p}$$

[definition] **Logits**: what does statistics mean by the word, and what does deep learning?
    Statistics: the log odds $\log \frac{p}{1 - p}$. Deep learning: the scores that the last layer hands to softmax or
    sigmoid. With two classes and a sigmoid the two are the same.

[definition] Logistic regression: which probability does it give to class 1, and when does it answer 1?
    $$p = \sigma(x \cdot w + b)$$

    It answers 1 if $p > \frac{1}{2}$, which is the same as $x \cdot w + b > 0$. The boundary is where this is 0: with
    two features a straight line, with three a plane.

[meaning] What does a weight $w_j$ of logistic regression mean?
    If $x_j$ grows by 1 and nothing else changes, the odds $\frac{p}{1 - p}$ are multiplied by $e^{w_j}$.

## Several classes

[definition] What is **softmax**?
    $$S_j = \frac{e^{z_j}}{\sum_{k=1}^{K} e^{z_k}}$$

[numerics] How is softmax computed without overflow, and why is that allowed?
    Subtract the largest score from all scores first. This divides numerator and denominator by the same number:

    $$\operatorname{softmax}(z) = \operatorname{softmax}(z - \max_k z_k)$$

[meaning] Which class does softmax make the most probable one?
    The one with the largest score: softmax keeps the order. It is not needed to predict the class alone.

[identity] What does softmax become for two classes with scores $z_0$ and $z_1$?
    A sigmoid of their difference: $S_1 = \sigma(z_1 - z_0)$.

[definition multi-class] One-vs-rest and one-vs-one: how many binary classifiers for $K$ classes, and how do they
decide?
    One-vs-rest: $K$, and the most confident one decides. One-vs-one: $\frac{K (K - 1)}{2}$, one for each pair; the
    class with the most votes wins, and confidence breaks ties.

[which-loss multi-class] Softmax with cross-entropy, or a sigmoid with binary cross-entropy per class: which one when?
    Softmax where exactly one class is true; its probabilities add up to 1. A sigmoid for each class where several
    labels, or none, may be true; its probabilities need not add up to 1.

## Losses

[definition which-loss document-004] What is the **cross-entropy loss** for several classes, what is it for two, and
which is used when?
    Several classes, of which one is true: $y$ and $\hat y$ have $K$ entries each, and

    $$\ell = -\sum_i y_i \log \hat y_i$$

    With $y$ one-hot and $c$ the true class one term is left, $-\log \hat y_c$. It goes with softmax.

    Two classes: one number is enough, since the other probability is its complement. With $y$ 0 or 1

    $$\ell = -y \log \hat y - (1 - y) \log(1 - \hat y)$$

    It goes with the sigmoid.

[definition] With $p = P(y = 1 \mid x)$, how does one formula cover $y = 1$ and $y = 0$, and which loss follows from it?
    $P(y \mid x) = p^y (1 - p)^{1 - y}$. Minus its logarithm is the binary cross-entropy.

[meaning] Why minimise a sum of $-\log p$ instead of maximising the product of the probabilities $p$?
    Both have their optimum at the same weights. But a product of many probabilities underflows to 0, and a sum has
    a gradient that is again a sum over samples.

[check] What is the loss of a model that gives each of $K$ classes the same probability?
    $\log K$ nats: @log_two for two classes, @log_ten for ten. Training that starts from weights of zero must begin
    with it.

[which-loss derivative] Why is the squared error a poor loss for a sigmoid?
    Its gradient has the factor $\hat y (1 - \hat y)$, which vanishes where the model is certain, even if it is certain
    and
    wrong. At $z = @steep$ and $y = 0$ the gradient is @of_squared; that of the cross-entropy is @of_cross. And it is
    not convex in the weights.

## Which loss takes what

[which-loss pytorch] PyTorch: what do `cross_entropy` and `nll_loss` take?
    `cross_entropy` takes scores (logits) and applies log-softmax itself. `nll_loss` takes log-probabilities. Both
    average over the samples unless set otherwise.

[which-loss pytorch] PyTorch: what do `binary_cross_entropy` and `binary_cross_entropy_with_logits` take?
    The first takes probabilities, the outputs of a sigmoid. The second takes scores and loses no digits.

[trap pytorch] Softmax is applied, and its result goes into a loss that applies softmax again. How can you notice?
    The program runs, but the loss does not fall to 0. Probabilities used as scores lie between 0 and 1, so with
    ten classes even a perfect answer costs @perfect nats. Give such a loss the scores.

## Derivatives

[derivative] $\frac{d \sigma}{d z}$ for the sigmoid $\sigma(z)$?
    $$\sigma(z) \, (1 - \sigma(z)) = \sigma(z) \, \sigma(-z)$$

[derivative] Where is the slope of the sigmoid largest, and how large is it there?
    At $z = 0$, where it is @slope.

[derivative] $\frac{\partial S_i}{\partial z_j}$ for $S = \operatorname{softmax}(z)$?
    $$S_i \, (\delta_{ij} - S_j)$$

    with $\delta_{ij} = 1$ if $i = j$, else 0. On the diagonal it is $S_j (1 - S_j)$, elsewhere $-S_i S_j$.

[derivative] The Jacobian of softmax as a matrix? What do its rows add up to, and why?
    $$J = \operatorname{diag}(S) - S S^\top$$

    Rows add up to 0: the same number added to all scores changes nothing. So do columns: the probabilities always add
    up to 1. Its rank is $K - 1$.

[derivative] Binary cross-entropy $\ell$: $\frac{d \ell}{d \hat y}$?
    $$\frac{\hat y - y}{\hat y (1 - \hat y)}$$

[derivative document-004] Binary cross-entropy after a sigmoid, $\hat y = \sigma(z)$: derive its derivative in the logit
$z$.
    By the chain rule. The two factors are

    $$\frac{d \ell}{d \hat y} = -\frac{y}{\hat y} + \frac{1 - y}{1 - \hat y} = \frac{\hat y - y}{\hat y (1 - \hat y)}$$

    and $\frac{d \hat y}{d z} = \hat y (1 - \hat y)$. In the product the denominator cancels:

    $$\frac{d \ell}{d z} = \hat y - y$$

[derivative document-004] Cross-entropy after softmax, $\hat y = \operatorname{softmax}(z)$: derive its gradient in the
logits $z$.
    With $\frac{\partial \hat y_i}{\partial z_j} = \hat y_i (\delta_{ij} - \hat y_j)$ the chain rule gives

    $$\frac{\partial \ell}{\partial z_j} = \sum_i -\frac{y_i}{\hat y_i} \hat y_i (\delta_{ij} - \hat y_j) = -y_j + \hat
    y_j \sum_i y_i$$

    The entries of $y$ add up to 1, so this is $\hat y_j - y_j$; in short $\nabla_z \ell = \hat y - y$.

[derivative trap] The gradient $\hat y - y$ of softmax with cross-entropy: what does it assume about $y$?
    That the entries of $y$ add up to 1. If they add up to $s$, the gradient is $s \hat y - y$.

[derivative shapes] Softmax regression, mean loss over $n$ samples: its gradients in the weights $W$ and the biases $b$?
    $$\frac{\partial L}{\partial W} = \frac{1}{n} X^\top (\hat Y - Y)$$

    $$\frac{\partial L}{\partial b} = \frac{1}{n} \sum_i (\hat y_i - y_i)$$

[meaning] Why does the cross-entropy of logistic regression have no local minimum besides the global one?
    It is convex in the weights. Its second derivative is $\frac{1}{n} X^\top D X$, where the diagonal matrix $D$ holds
    the positive numbers $p_i (1 - p_i)$; so its curvature is negative in no direction.

## Information

[definition information] What is the **entropy** of a distribution $P$?
    $$H(P) = -\sum_x p(x) \log p(x)$$

    A term with $p(x) = 0$ counts as 0.

[definition information] What is the **cross-entropy** of a true distribution $P$ and an assumed one $Q$?
    $$H(P, Q) = -\sum_x p(x) \log q(x)$$

    The average surprise of someone who believes $Q$ while the data follow $P$.

[definition information] How are cross-entropy, entropy and Kullback-Leibler divergence $D$ related?
    $$D(P \Vert Q) = H(P, Q) - H(P) \ge 0$$

    It is 0 only where $P = Q$ (Gibbs' inequality). So with $P$ given, the $Q$ of smallest cross-entropy is $P$ itself.

[information trap] When is a cross-entropy infinite?
    When $P$ allows what $Q$ calls impossible: $p(x) > 0$ where $q(x) = 0$.

[information] A one-hot distribution: what is its entropy, and what is its cross-entropy with $Q$?
    Its entropy is 0. The cross-entropy is $-\log q_c$, where $c$ is the certain class.

[units information] Bits and nats: which logarithm belongs to each, and how are they converted?
    Bits: base 2. Nats: base $e$. One nat is $\frac{1}{\log 2}$ bits, about @bits; one bit is $\log 2$ nats, about
    @log_two.

[information trap] $H(P, Q)$ is smallest at $P = Q$: which of the two is varied here, and what if the other is?
    $Q$ is varied. With $Q$ given and $P$ varied the minimum is $-\log \max_x q(x)$: all of $P$ on the most probable
    value of $Q$.

[information units] A code has one binary word for each message. How long is a word on average, if the code is the best?
    $H \le L < H + 1$ bits, with $H$ the entropy in bits. Huffman's code is the best. Only words for several messages
    together come closer to $H$.

[information] Which lengths $l_1, l_2, \ldots$ can the words of a binary prefix code have?
    Those with $\sum_i 2^{-l_i} \le 1$ (Kraft's inequality).

[information units] $N$ equally probable messages: how many bits do words of the same length need, and what is the
entropy?
    $\log_2 N$ rounded up to a whole number. The entropy is $\log_2 N$, the same only where $N$ is a power of two.

[information trap] The entropy of a continuous distribution: what is different from that of a discrete one?
    It may be negative, and it is not a code length. On an interval of length $\frac{1}{2}$ the uniform distribution
    has $\log \frac{1}{2}$, about @half nats.

## Training

[definition training] What is a step of gradient descent, and why does it have a minus sign?
    $$w := w - \eta \, \nabla L(w)$$

    The gradient points to where the loss rises fastest; the step goes the other way. $\eta$ is the learning rate.

[definition training] Batch, mini-batch and stochastic gradient descent: what is the difference?
    The number of samples used in one step: all, some, or one.

[training] What happens if the learning rate is too large? If it is too small?
    Too large: the loss jumps or grows. Too small: it falls, but the epochs are over before the model is trained, which
    is easily mistaken for a poor model.

[training units] The loss is a sum over $n$ samples in one text and a mean in another. What changes for the learning
rate?
    The gradient of the sum is $n$ times as large: the same steps need $\frac{\eta}{n}$.

[definition training] Perceptron, ADALINE and logistic regression all learn by $w := w + \eta \, (y - a) \, x$. What is
$a$ in each?
    Perceptron: the label, 0 or 1. ADALINE: the weighted sum $z$. Logistic regression: $\sigma(z)$.

[training trap] A line separates two classes, and there is no penalty. What do the weights of logistic regression do?
    They grow without bound: the loss falls towards 0 and has no minimum. A penalty on the weights gives it one.

[units training] Which strength $\lambda$ of the penalty $\frac{\lambda}{2} \lVert W \rVert^2$ beside a mean loss over
$n$ samples is scikit-learn's $C$?
    $\lambda = \frac{1}{C n}$. A large $C$ is a weak penalty. The intercept is not penalised.

[training] What proves that a fit is good although the minimum $P^*$ is not known?
    A lower bound $D$ on the minimum. The objective $P$ that was reached satisfies $P - P^* \le P - D$, the duality gap.
    Polytome prints it as the certificate of a fit.

## Penalties

[definition penalties] What do L1 (lasso), L2 (ridge) and the elastic net add to the mean loss?
    $$\lambda \left( a \sum_j |w_j| + \frac{1 - a}{2} \sum_j w_j^2 \right)$$

    with $a = 1$ for L1, $a = 0$ for L2, and $a$ between them for the elastic net.

[meaning penalties] Why does a lasso make coefficients exactly 0, and ridge does not?
    The set $\sum_j |w_j| \le t$ is a diamond with corners on the axes, and a contour of the loss often meets it at a
    corner. $\sum_j w_j^2 \le t$ is a disc without corners.

[identity penalties] Which $w$ minimises $\frac{1}{2} (w - a)^2 + \lambda |w|$?
    Soft thresholding: $a - \lambda$ if $a > \lambda$, $a + \lambda$ if $a < -\lambda$, else 0. So 0.8 becomes
    @shrunk at $\lambda = 0.5$, and 0.3 becomes @stopped.

[penalties derivative] At the minimum of a loss with the penalty $\lambda \sum_j |w_j|$: what is the loss's slope $g_j$?
    $-\lambda$ times the sign of $w_j$ where $w_j \ne 0$; between $-\lambda$ and $\lambda$ where $w_j = 0$.

[penalties] From which strength on does a lasso of two classes leave no coefficient?
    $\lambda_{\max} = \max_j |\frac{1}{n} \sum_i x_{ij} (y_i - \bar y)|$: the strongest pull of a column when all
    coefficients are 0.

[penalties] What is the rule of one standard error?
    Take the strongest penalty whose mean held-out loss is within one standard error of the smallest one.

[trap penalties] A lasso leaves out a column. Has it no effect?
    That is not said. It was not needed beside the other columns, at this price. A column that says almost the same may
    have taken its place.

[trap penalties units] Why does the unit of a column matter under a penalty?
    In a smaller unit its numbers are larger, the coefficient that it needs is smaller, and so is its price.
    Standardise.

## Inference

[definition inference] A 2 x 2 table with the counts $a, b$ in one row and $c, d$ in the other: the odds ratio?
    $\frac{a / b}{c / d} = \frac{a d}{b c}$. Its logarithm is the coefficient of a logistic model with one 0/1 column.

[inference] What is the standard error of a log odds ratio?
    $\sqrt{\frac{1}{a} + \frac{1}{b} + \frac{1}{c} + \frac{1}{d}}$ (Woolf). The smallest counts decide.

[definition inference] What is the information matrix of logistic regression, and what does its inverse give?
    $\sum_i p_i (1 - p_i) x_i x_i^\top$. Its inverse is the covariance of the coefficients; the roots of its diagonal
    are their standard errors.

[inference] Wald, likelihood ratio, score: where does each of the three tests look?
    Wald from the maximum, in standard errors. The likelihood ratio at both heights. Score at the null hypothesis, at
    the slope there.

[inference] What is a profile interval?
    All values of a coefficient that a likelihood-ratio test does not reject: fixed there, with the others at their
    best, the log-likelihood loses at most @drop (at 95 %).

[trap inference] A program prints a coefficient of 18 with a standard error of 3,000. What has happened?
    Separation: the estimate is infinite, and the program stopped on its way. Wald's test is useless then; the
    likelihood-ratio test is not.

[inference] What does Firth's method do to a 2 x 2 table?
    It adds one half to every cell, which keeps the log odds ratio finite and takes away its first-order bias.

[inference] What is an average marginal effect of a column?
    The mean over the rows of $p_i (1 - p_i) w_j$: what one unit more does to the probability.

[trap inference] The best of 20 columns of noise is tested on the rows that chose it. How often is p below 5 %?
    In about @often of such studies, not in 5 %: $1 - 0.95^{20}$. Test on other rows.

## Shapes

[shapes] $n$ samples, $d$ features, $K$ classes: what are the shapes of $X$, $W$, $b$ and the scores?
    $X$: $(n, d)$. $W$: $(d, K)$. $b$: $(K,)$. Scores $X W + b$: $(n, K)$.

[shapes] How many parameters does softmax regression have with $d$ features and $K$ classes?
    $(d + 1) K$: for each class a weight per feature, and a bias.

[shapes] One sample as a column $x$, its error $\hat y - y$ as a column: which product is the gradient by weights of
shape (features, classes)?
    The outer product $x \, (\hat y - y)^\top$.

[shapes trap] Scores have a row for each sample. Along which axis does softmax sum?
    Along the row, `axis=1`. Along `axis=0` it would mix samples, and a row would add up to 1 only by chance.

[shapes trap] NumPy: the labels have shape `(n,)`, the predictions `(n, 1)`. What is the shape of their difference?
    `(n, n)`, without a warning: with three samples `@mixed`. Reshape one of them first.

## Traps

[trap numerics] From which number on does `exp` overflow?
    Above @double as float64, above @single as float32.

[trap numerics] Why not compute $-\log(1 - p)$ from the probability $p = \sigma(z)$?
    Where $p$ rounds to 1 the loss becomes infinite; at $z = @sure$ the float is already @rounded. From the score it is
    right, $\log(1 + e^z) = @kept$ nats there.

[trap numerics] A program writes `log(p + 1e-8)`, so that the logarithm stays finite. What is wrong with that?
    The loss never exceeds @most nats, however wrong the model is, and $\hat y - y$ is no longer its gradient. Compute
    the loss from the scores.

[trap derivative] A slide gives $\frac{\partial L}{\partial w_j} = (y - a) x_j$ and descends with it. What happens?
    It climbs. The gradient is $(a - y) x_j$; it is the **step** that has $y - a$.

[trap] A slide prints the loss as $-y \log p + (1 - y) \log(1 - p)$. What is wrong?
    The second sign. With $y = 0$ it rewards errors: at $p = @wrong$ the printed loss is @rewarded. Right is
    $-y \log p - (1 - y) \log(1 - p)$, here @punished.

[trap derivative] Is $\hat y - 1$ correct for the derivative in the score, instead of $\hat y - y$?
    Only for $y = 1$, the true class. With $y = 0$ it is $\hat y$; $\hat y - 1$ even has the wrong sign.

[trap] Training data are scaled by their mean and standard deviation. By which numbers are the test data scaled?
    By those of the training data. With their own, the same measurement would become a different number than in
    training.

[trap] A model is right on 100 % of its training data. What does that say about new data?
    Little: it may have memorised them. Evaluate it on data that it never saw.

[definition] **Precision** and **recall**: which share of what is each?
    Precision: of those predicted positive, the share that is. Recall: of those that are positive, the share predicted
    so.

[check] What must an accuracy or a log loss be compared with before it means anything?
    With the null model, which predicts the frequencies of the classes whatever the features. Its accuracy is the share
    of the largest class, its log loss the entropy of the labels.
"""

if __name__ == "__main__":
    from polytome.lessons import print_script

    print_script(__file__)
